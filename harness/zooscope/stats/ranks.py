"""Ranks: who is surely better, and between which places a model stands."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from zooscope.stats.intervals import LEVEL, ROUNDING, Interval, Resampled, expanded_quantile


@dataclass(frozen=True)
class Rank:
    """A place: one more than the number of models surely better, so models that cannot be told apart share one.

    `low` and `high` are the 95 % interval of the rank, None below ten groups. They hold for all models at once, the
    rank is a matter of two models at a time; so `low` may be a better place than the rank.
    """

    rank: int
    low: int | None
    high: int | None


def ranks_of(models: Resampled, interval: Interval) -> list[Rank]:
    """Ranks of models from their scores (models,), of which a higher one is better.

    The rank counts the models whose paired `interval` of the difference lies above zero. Its interval runs from one
    more than the number of models surely better to the number of models less those surely worse, where "surely" is
    corrected for all pairs at once: the difference exceeds its standard error so many times as the largest of all
    pairs' standardised errors does in 5 % of the resamples (Mogstad et al. 2024, doi:10.1093/restud/rdad006, in a
    single step). That quantile is expanded for few groups as the percentiles are.
    """
    better = _better(models, interval)
    surely = better & _surely_apart(models)
    first, last = 1 + surely.sum(axis=1), len(surely) - surely.sum(axis=0)
    return [
        Rank(1 + int(count), int(low), int(high))
        for count, low, high in zip(better.sum(axis=1), first, last, strict=True)
    ]


def order_of(scores: NDArray[np.float64]) -> list[Rank]:
    """Ranks by the order of the scores alone, without intervals; a score that does not exist (NaN) comes last."""
    ordered = np.where(np.isnan(scores), -np.inf, scores)
    return [Rank(1 + int((ordered > mine).sum()), None, None) for mine in ordered]


def _better(models: Resampled, interval: Interval) -> NDArray[np.bool_]:
    """(models, models): whether the second is better than the first, taking two at a time."""
    better = ~np.isnan(models.score) & np.isnan(models.score)[:, None]
    for mine, score in enumerate(models.score):
        ahead = models.score > score + ROUNDING
        less = models[ahead] - models[mine]
        # ahead in every resample is ahead at any quantile: most pairs of many models need no sorting
        sure = less.resamples.min(axis=-1, initial=np.inf) > ROUNDING
        low, _ = interval(less[~sure], LEVEL)
        sure[~sure] = low > ROUNDING
        better[mine, ahead] = sure
    return better


def _surely_apart(models: Resampled) -> NDArray[np.bool_]:
    """(models, models): whether two models differ, all pairs taken together."""
    groups, count = models.left_out.shape[-1], len(models.score)
    largest = np.zeros(models.resamples.shape[-1])
    error = np.zeros((count, count))
    for mine in range(count - 1):
        rest = models[mine + 1 :] - models[mine]
        off = rest.resamples - rest.score[:, None]
        spread = np.sqrt(np.nansum(off**2, axis=1) / np.maximum((~np.isnan(off)).sum(axis=1), 1))
        error[mine, mine + 1 :] = error[mine + 1 :, mine] = spread
        known = spread > ROUNDING
        largest = np.fmax.reduce([largest, *(np.abs(off[known]) / spread[known, None])])
    limit = np.quantile(largest, LEVEL) * expanded_quantile(groups) / ndtri((1 + LEVEL) / 2)
    return np.abs(models.score[:, None] - models.score) > limit * error + ROUNDING
