"""Scores that are a sum over a sum: then the bootstrap of any of them is one matrix product."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Records = Mapping[str, NDArray[np.float64]]
"""Column -> one value an image."""

Terms = Callable[[Records], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Records -> numerator and denominator of each image; the score is the sum of one over the sum of the other."""


def sum_of(parts: Terms) -> Terms:
    """Pool: numerators and denominators are summed over images before the division."""
    return parts


def mean_of(parts: Terms) -> Terms:
    """The mean of each image's own ratio; an image with nothing to find and nothing found (0 / 0) counts as 1."""

    def terms(records: Records) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        numerator, denominator = (np.asarray(part, np.float64) for part in parts(records))
        nothing = denominator == 0
        return np.where(nothing, 1.0, numerator / np.where(nothing, 1.0, denominator)), np.ones(len(numerator))

    return terms
