"""Uncertainty: bootstrap over groups, paired differences, ranks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooscope.metrics.metric import Metric, Records

RESAMPLES = 10_000
LEVEL = 0.95
MIN_GROUPS = 10
"""Below this many groups no interval is given: the bootstrap would pretend to know one."""


@dataclass(frozen=True)
class Estimate:
    """A score, its 95 % interval (None below ten groups), and what it rests on."""

    score: float
    low: float | None
    high: float | None
    images: int
    groups: int


class GroupBootstrap:
    """Resamples groups, the same draws for every model and metric on the same images, so that differences are paired.

    Images of a group come and go together, since they were imaged together (cluster bootstrap; Field and Welsh 2007,
    doi:10.1111/j.1467-9868.2007.00593.x). Intervals are percentiles of the resampled scores.
    """

    def __init__(self, groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        names, self._index = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
        self.images, self.groups = len(groups), len(names)
        rng = np.random.default_rng(seed)
        self._draws = rng.multinomial(self.groups, np.full(self.groups, 1 / self.groups), size=resamples).astype(float)

    def resampled(self, metric: Metric, records: Records) -> NDArray[np.float64]:
        """The metric's score in every resample: group sums of its terms, one matrix product."""
        sums = np.stack([np.bincount(self._index, term, self.groups) for term in metric.terms(records)], axis=1)
        return metric.combine(*(self._draws @ sums).T)

    def estimate(self, metric: Metric, records: Records) -> Estimate:
        """Score and interval."""
        score = metric.reduce(records)
        low, high = self.interval(self.resampled(metric, records))
        return Estimate(score, low, high, self.images, self.groups)

    def interval(self, resampled: NDArray[np.float64]) -> tuple[float, float] | tuple[None, None]:
        """Percentile interval, or none where groups are too few."""
        if self.groups < MIN_GROUPS or np.isnan(resampled).all():
            return None, None
        low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)

    def difference(self, metric: Metric, records: Records, other: Records) -> Estimate:
        """Score of `records` less that of `other` on the same images in the same order, with a paired interval."""
        low, high = self.interval(self.resampled(metric, records) - self.resampled(metric, other))
        return Estimate(metric.reduce(records) - metric.reduce(other), low, high, self.images, self.groups)

    def ranks(self, metric: Metric, models: Sequence[Records]) -> list[int]:
        """Rank of each model: one more than the number of models that are surely better.

        Surely better means that the paired interval of the difference lies above zero; models that cannot be told
        apart share a rank. Where groups are too few for intervals, the order of the scores ranks.
        """
        sign = 1 if metric.higher_is_better else -1
        scores = [sign * metric.reduce(records) for records in models]
        resampled = [sign * self.resampled(metric, records) for records in models]

        def better(other: int, mine: int) -> bool:
            if scores[other] <= scores[mine]:
                return False
            low, _ = self.interval(resampled[other] - resampled[mine])
            return low is None or low > 0

        everyone = range(len(models))
        return [1 + sum(better(other, mine) for other in everyone) for mine in everyone]
