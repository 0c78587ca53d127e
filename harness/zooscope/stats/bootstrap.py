"""Bootstrap over groups: what the scores of a model might have been on other groups of images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from zooscope.errors import UsageError
from zooscope.metrics.metric import Metric, Records
from zooscope.stats.estimate import Estimate
from zooscope.stats.intervals import INTERVAL, INTERVALS, LEVEL, Array, Resampled
from zooscope.stats.ranks import Rank, order_of, ranks_of
from zooscope.stats.trainings import Trainings

RESAMPLES = 10_000
MIN_GROUPS = 10
"""Below this many groups no interval is given: the bootstrap would pretend to know one."""

_BLOCK = 20
"""Metrics resampled at once: their sums stay in the processor's cache."""


class GroupBootstrap:
    """Resamples groups, the same draws for every model and metric on the same images, so that differences are paired.

    Images of a group come and go together, since they were imaged together (cluster bootstrap; Field and Welsh 2007,
    doi:10.1111/j.1467-9868.2007.00593.x).

    Parameters
    ----------
    groups : of each image.
    interval : one of `INTERVALS`; the default is what the leaderboard shows.

    Raises
    ------
    UsageError : an interval of another name.
    """

    def __init__(
        self, groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0, interval: str = INTERVAL
    ) -> None:
        if interval not in INTERVALS:
            raise UsageError(f"interval '{interval}' is not one of {', '.join(INTERVALS)}")
        names, index, sizes = np.unique(np.asarray(groups, dtype=str), return_inverse=True, return_counts=True)
        self.images, self.groups = len(groups), len(names)
        self._index = index
        self._order, self._starts = np.argsort(index, kind="stable"), np.r_[0, np.cumsum(sizes)[:-1]]
        self._resamples, self._seed, self._interval = resamples, seed, INTERVALS[interval]

    @cached_property
    def draws(self) -> Array:
        """(groups, resamples): how often each group was drawn; integers, in the type that they are multiplied in."""
        even = np.full(self.groups, 1 / self.groups)
        drawn = np.random.default_rng(self._seed).multinomial(self.groups, even, size=self._resamples)
        return np.ascontiguousarray(drawn.T, dtype=np.float64)

    def resampled(self, metric: Metric, records: Records) -> Resampled:
        """The metric's score, (), in every resample and without each group."""
        terms = np.array(metric.terms(records), dtype=np.float64)
        return self.from_sums(metric.combine, self._by_group(terms))

    def together(self, metric: Metric, models: Sequence[Records]) -> Resampled:
        """The same of several models, (models,), in one matrix product."""
        terms = np.array([metric.terms(records) for records in models], dtype=np.float64)
        return self.from_sums(metric.combine, self._by_group(terms))

    def from_sums(self, combine: Callable[..., Array], sums: Array) -> Resampled:
        """Scores (...) of sums (..., terms, groups), one matrix product for all of them."""
        flat = sums.reshape(-1, self.groups)

        def scored(weights: Array) -> Array:
            terms = (flat @ weights).reshape(*sums.shape[:-1], -1)
            return combine(*np.moveaxis(terms, -2, 0))

        everyone = np.ones((self.groups, 1))
        return Resampled(scored(everyone)[..., 0], scored(self.draws), scored(1 - np.eye(self.groups)))

    def estimate(self, metric: Metric, records: Records) -> Estimate:
        """Score and interval."""
        return self.estimates([metric], records)[metric.name]

    def estimates(self, metrics: Sequence[Metric], records: Records) -> dict[str, Estimate]:
        """Scores and intervals by the metrics' names; much faster than one metric at a time."""
        found: dict[str, Estimate] = {}
        for block, terms in _blocks(metrics, records):
            scores = block[0].combine(*np.moveaxis(terms.sum(axis=-1), -1, 0))
            if self.groups < MIN_GROUPS:
                low = high = np.full(len(block), np.nan)
            else:
                low, high = self._interval(self.from_sums(block[0].combine, self._by_group(terms)), LEVEL)
            for metric, *numbers in zip(block, scores, low, high, strict=True):
                found[metric.name] = self._estimate(*map(float, numbers))
        return {metric.name: found[metric.name] for metric in metrics}

    def difference(self, metric: Metric, records: Records, other: Records) -> Estimate:
        """Score of `records` less that of `other` on the same images in the same order, with a paired interval."""
        score = metric.reduce(records) - metric.reduce(other)
        if self.groups < MIN_GROUPS:
            return self._estimate(score)
        return self._estimate(score, *self._ends(self.resampled(metric, records) - self.resampled(metric, other)))

    def differences(self, metric: Metric, models: Sequence[Records], other: Records) -> list[Estimate]:
        """`difference` of each model to the same other; much faster than one model at a time."""
        if self.groups < MIN_GROUPS:
            return [self.difference(metric, records, other) for records in models]
        less = self.together(metric, models) - self.resampled(metric, other)
        return [
            self._estimate(*map(float, ends)) for ends in zip(less.score, *self._interval(less, LEVEL), strict=True)
        ]

    def rescored(self, score: Callable[[Array], Mapping[str, float]]) -> dict[str, Estimate]:
        """Scores that are no sums over images, by name, with intervals; `score` is called for every resample.

        Parameters
        ----------
        score : how often each image counts, (images,) -> scores by name; the same names each time.
        """
        everyone = score(np.ones(self.images))
        if self.groups < MIN_GROUPS:
            return {name: self._estimate(value) for name, value in everyone.items()}

        def scored(weights: Array) -> Array:
            """(groups, resamples) -> (names, resamples)."""
            return np.array([list(score(column[self._index]).values()) for column in weights.T]).T

        whole = np.array(list(everyone.values()))
        resampled = Resampled(whole, scored(self.draws), scored(1 - np.eye(self.groups)))
        ends = zip(everyone, whole, *self._interval(resampled, LEVEL), strict=True)
        return {name: self._estimate(*map(float, numbers)) for name, *numbers in ends}

    def ranks(self, metric: Metric, models: Sequence[Records]) -> list[Rank]:
        """Rank of each model and its interval, as `ranks_of` defines them.

        Where groups are too few for intervals, the order of the scores ranks.
        """
        sign = 1 if metric.higher_is_better else -1
        if self.groups < MIN_GROUPS:
            return order_of(np.array([sign * metric.reduce(records) for records in models]))
        return ranks_of(self.together(metric, models) * sign, self._interval)

    def trainings(self, metric: Metric, runs: Sequence[Records]) -> Trainings:
        """Several trainings of one method on the same images in the same order."""
        scores = [metric.reduce(records) for records in runs]
        mean = float(np.mean(scores))
        if self.groups < MIN_GROUPS:
            return Trainings(self._estimate(mean), tuple(scores))
        each = Resampled.stack([self.resampled(metric, records) for records in runs])
        return Trainings(self._estimate(mean, *self._ends(each.mean())), tuple(scores))

    def _by_group(self, terms: Array) -> Array:
        """(..., images) -> (..., groups)."""
        return np.add.reduceat(terms[..., self._order], self._starts, axis=-1)

    def _ends(self, resampled: Resampled) -> tuple[float, float]:
        low, high = self._interval(resampled, LEVEL)
        return float(low), float(high)

    def _estimate(self, score: float, low: float = np.nan, high: float = np.nan) -> Estimate:
        known = not np.isnan([score, low, high]).any()
        return Estimate(score, low if known else None, high if known else None, self.images, self.groups)


def _blocks(metrics: Sequence[Metric], records: Records) -> Iterator[tuple[list[Metric], Array]]:
    """Metrics whose terms are combined in the same way, and what each image adds: (metrics, terms, images)."""
    kinds: dict[tuple[Callable[..., Array], int], list[tuple[Metric, tuple[Array, ...]]]] = {}
    for metric in metrics:
        terms = metric.terms(records)
        kinds.setdefault((metric.combine, len(terms)), []).append((metric, terms))
    for alike in kinds.values():
        for start in range(0, len(alike), _BLOCK):
            block = alike[start : start + _BLOCK]
            yield [metric for metric, _ in block], np.array([terms for _, terms in block], dtype=np.float64)
