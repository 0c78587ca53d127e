"""Paired differences between all models of a board, in one matrix."""

from collections.abc import Sequence

from zooscope.report.board import Board, BoardRow
from zooscope.stats import INTERVAL, INTERVALS, LEVEL, MIN_GROUPS, Estimate, GroupBootstrap

AT_MOST = 24
"""A larger matrix cannot be read; the best rows are compared."""


def differences(board: Board, subset: str, rows: Sequence[BoardRow]) -> list[list[Estimate | None]]:
    """Score of each row less that of each other on a subset, by the ranking metric, with paired intervals.

    Returns
    -------
    Square, in the order of `rows`; None on the diagonal. All models are resampled with the same draws.
    """
    metric, bootstrap = board.shown.ranking, GroupBootstrap(board.groups(subset))
    each = bootstrap.together(metric, [board.records(row, subset) for row in rows])
    found: list[list[Estimate | None]] = [[None] * len(rows) for _ in rows]
    for i in range(1, len(rows)):
        less = each[i] - each[:i]
        low, high = INTERVALS[INTERVAL](less, LEVEL) if bootstrap.groups >= MIN_GROUPS else (None, None)
        for j in range(i):
            ends = (None, None) if low is None or high is None else (float(low[j]), float(high[j]))
            one = Estimate(float(less.score[j]), *ends, bootstrap.images, bootstrap.groups)
            found[i][j], found[j][i] = one, _turned(one)
    return found


def _turned(one: Estimate) -> Estimate:
    """The difference the other way round."""
    low = None if one.high is None else -one.high
    high = None if one.low is None else -one.low
    return Estimate(-one.score, low, high, one.images, one.groups)
