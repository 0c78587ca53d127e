"""Paired differences between all models of a board, in one matrix."""

from collections.abc import Sequence

from zooscope.metrics import METRICS
from zooscope.report.board import RANKED_BY, Board, BoardRow
from zooscope.stats import Estimate, GroupBootstrap

AT_MOST = 24
"""A larger matrix cannot be read; the best rows are compared."""


def differences(board: Board, subset: str, rows: Sequence[BoardRow]) -> list[list[Estimate | None]]:
    """Score of each row less that of each other on a subset, by the ranking metric, with paired intervals.

    Returns
    -------
    Square, in the order of `rows`; None on the diagonal. Each model is resampled once, all with the same draws.
    """
    metric, bootstrap = METRICS[RANKED_BY], GroupBootstrap(board.groups(subset))
    records = [board.records(row, subset) for row in rows]
    scores = [metric.reduce(record) for record in records]
    resampled = [bootstrap.resampled(metric, record) for record in records]
    found: list[list[Estimate | None]] = [[None] * len(rows) for _ in rows]
    for i in range(len(rows)):
        for j in range(i):
            low, high = bootstrap.interval(resampled[i] - resampled[j])
            one = Estimate(scores[i] - scores[j], low, high, bootstrap.images, bootstrap.groups)
            found[i][j], found[j][i] = one, _turned(one)
    return found


def _turned(one: Estimate) -> Estimate:
    """The difference the other way round."""
    low = None if one.high is None else -one.high
    high = None if one.low is None else -one.low
    return Estimate(-one.score, low, high, one.images, one.groups)
