"""Scores of single images, for distributions and for finding the best, the median and the worst."""

import numpy as np
from numpy.typing import NDArray

from zooscope.metrics.metric import Metric, Records


def image_scores(metric: Metric, records: Records) -> NDArray[np.float64]:
    """The metric of each image on its own; NaN where it has none (nothing to find, nothing found)."""
    return np.asarray(metric.combine(*metric.terms(records)), np.float64)


def best_median_worst(scores: NDArray[np.float64], *, higher_is_better: bool = True) -> dict[str, int]:
    """Which image is the best, the median and the worst; fewer where there are fewer than three."""
    known = np.flatnonzero(~np.isnan(scores))
    order = known[np.argsort(-scores[known] if higher_is_better else scores[known], kind="stable")]
    if not len(order):
        return {}
    picked = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    return {word: int(index) for word, index in picked.items() if word == "best" or index != order[0]}
