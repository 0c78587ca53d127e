"""Intervals: from resampled scores to the range that holds the true one, 95 times in 100."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

Array = NDArray[np.float64]

LEVEL = 0.95

ROUNDING = 1e-12
"""Scores no further apart than this are the same one, summed in another order."""


@dataclass(frozen=True)
class Resampled:
    """Scores of some statistics, and what they are on other groups; the same draws for all, so pairs can be subtracted.

    Attributes
    ----------
    score : (...), on all groups.
    resamples : (..., resamples), on groups drawn with replacement; NaN where there was nothing to score.
    left_out : (..., groups), on all groups but one.
    """

    score: Array
    resamples: Array
    left_out: Array

    def __sub__(self, other: "Resampled") -> "Resampled":
        """The paired difference."""
        return Resampled(self.score - other.score, self.resamples - other.resamples, self.left_out - other.left_out)

    def __mul__(self, factor: float) -> "Resampled":
        return Resampled(self.score * factor, self.resamples * factor, self.left_out * factor)

    def __getitem__(self, index: int | slice | NDArray[np.bool_]) -> "Resampled":
        """Some of the statistics."""
        return Resampled(self.score[index], self.resamples[index], self.left_out[index])

    def mean(self) -> "Resampled":
        """The mean of the statistics along the first axis."""
        return Resampled(self.score.mean(axis=0), self.resamples.mean(axis=0), self.left_out.mean(axis=0))

    @staticmethod
    def stack(each: "Sequence[Resampled]") -> "Resampled":
        """Several along a new first axis."""
        return Resampled(
            np.stack([one.score for one in each]),
            np.stack([one.resamples for one in each]),
            np.stack([one.left_out for one in each]),
        )


Interval = Callable[[Resampled, float], tuple[Array, Array]]
"""Resampled scores, level -> lower and upper end, (...) each; NaN where no resample could be scored."""


def percentile(resampled: Resampled, level: float = LEVEL) -> tuple[Array, Array]:
    """Quantiles of the resampled scores. Efron 1979, doi:10.1214/aos/1176344552."""
    return _quantiles(np.sort(resampled.resamples, axis=-1), (1 - level) / 2, (1 + level) / 2)


def expanded_percentile(resampled: Resampled, level: float = LEVEL) -> tuple[Array, Array]:
    """Percentiles taken further out, by what a t interval of n groups is wider than a normal one with its variance / n.

    Resampled scores spread sqrt((n - 1) / n) times too little, and as if their spread were known. The tail is
    Phi(-sqrt(n / (n - 1)) t), t the quantile of Student's distribution with n - 1 degrees of freedom. Hesterberg 2015,
    doi:10.1080/00031305.2015.1089789.
    """
    groups = resampled.left_out.shape[-1]
    tail = ndtr(-expanded_quantile(groups, level))
    return _quantiles(np.sort(resampled.resamples, axis=-1), tail, 1 - tail)


def expanded_quantile(groups: int, level: float = LEVEL) -> float:
    """How many standard errors an expanded percentile lies out, where the scores are normal; 1.96 for many groups."""
    return float(np.sqrt(groups / (groups - 1)) * stdtrit(groups - 1, (1 + level) / 2))


def bca(resampled: Resampled, level: float = LEVEL) -> tuple[Array, Array]:
    """Percentiles corrected for bias and for a spread that changes with the score ("bias-corrected and accelerated").

    Efron 1987, doi:10.1080/01621459.1987.10478410. The bias is that of the median: the share of resamples below the
    score, those equal to it counted half, as normal quantile; where all or none are below, half a resample is taken to
    be on the other side. The acceleration is the skewness of the scores with one group left out, over 6; 0 where those
    are all equal.
    """
    ordered = np.sort(resampled.resamples, axis=-1)
    score = resampled.score[..., None]
    below, up_to = (np.count_nonzero(ordered < score + side * ROUNDING, axis=-1) for side in (-1, 1))
    known = np.maximum(_known(ordered), 1)
    bias = ndtri(np.clip((below + up_to) / 2 / known, 0.5 / known, 1 - 0.5 / known))
    acceleration = _acceleration(resampled.left_out)
    low, high = (
        ndtr(bias + (bias + z) / np.maximum(1 - acceleration * (bias + z), ROUNDING))
        for z in (ndtri((1 - level) / 2), ndtri((1 + level) / 2))
    )
    return _quantiles(ordered, low, high)


INTERVALS: Mapping[str, Interval] = {
    "percentile": percentile,
    "expanded-percentile": expanded_percentile,
    "bca": bca,
}

INTERVAL = "expanded-percentile"
"""What the leaderboard shows: of the three, the one that covers scores per image and their differences best.

Simulated with the groups of our data sets; for pooled scores of unlike images all three fall short, `bca` a little
less. reports/statistics/coverage.md has the numbers, `tools/coverage.py` makes them.
"""


def _quantiles(ordered: Array, *shares: float | Array) -> tuple[Array, Array]:
    """Quantiles of sorted scores, NaN last and not counted; linear between neighbours, as `numpy.quantile`."""
    last = _known(ordered) - 1

    def at(share: float | Array) -> Array:
        place = np.asarray(share) * np.maximum(last, 0)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(last, 0))
        low, high = (np.take_along_axis(ordered, i[..., None], axis=-1)[..., 0] for i in (below, above))
        return low + (high - low) * (place - below)

    low, high = (at(share) for share in shares)
    return low, high


def _known(ordered: Array) -> NDArray[np.int64]:
    """How many are not NaN, (...)."""
    return ordered.shape[-1] - np.isnan(ordered).sum(axis=-1)


def _acceleration(left_out: Array) -> Array:
    count = np.maximum(_known(left_out), 1)[..., None]
    known = ~np.isnan(left_out)
    mean = np.where(known, left_out, 0).sum(axis=-1, keepdims=True) / count
    fall = np.where(known, mean - left_out, 0.0)
    fall[np.abs(fall) <= ROUNDING] = 0.0
    square = (fall**2).sum(axis=-1)
    return np.where(square > 0, (fall**3).sum(axis=-1) / (6 * np.where(square > 0, square, 1.0) ** 1.5), 0.0)
