"""Metric: a score with its exact definition, made of sums over images, so that the bootstrap is one matrix product."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Records = Mapping[str, Array]
"""Column -> one value an image."""

Terms = Callable[[Records], tuple[Array, ...]]
"""Records -> what each image adds to each of the sums."""


def ratio(numerator: Array, denominator: Array) -> Array:
    """One sum over the other; NaN where there is nothing to divide by."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator == 0, np.nan, numerator / denominator)


@dataclass(frozen=True)
class Metric:
    """A score with its exact definition.

    Attributes
    ----------
    name : `<what>.<how averaged>@<version>`.
    terms : what each image adds to each sum; most scores have two, numerator and denominator.
    combine : the sums, arrays of one shape -> the score.
    """

    name: str
    label: str
    definition: str
    terms: Terms
    combine: Callable[..., Array] = ratio
    higher_is_better: bool = True

    def reduce(self, records: Records, weights: Array | None = None) -> float:
        """The score of some images, each counted `weights` times; NaN where nothing counts."""
        terms = self.terms(records)
        counted = terms if weights is None else tuple(term * weights for term in terms)
        return float(self.combine(*(np.asarray(term, np.float64).sum() for term in counted)))


def averaged(
    what: str,
    label: str,
    definition: str,
    parts: Terms,
    *,
    version: int = 1,
    nothing: float | None = 1.0,
    higher_is_better: bool = True,
) -> Iterator[Metric]:
    """A ratio as two metrics: the mean of the images' own values, and that of numerators and denominators summed first.

    Parameters
    ----------
    parts : records -> numerator and denominator of each image.
    nothing : value of an image with denominator 0; None leaves it out of the mean.
    """
    told = "left out" if nothing is None else f"{nothing:g}"
    each = f"{definition}; mean of the images' values (0 / 0: {told})"
    pooled = f"{definition}; counts summed over images first"
    yield Metric(
        f"{what}.per-image@{version}", label, each, mean_of(parts, nothing=nothing), higher_is_better=higher_is_better
    )
    yield Metric(f"{what}.pooled@{version}", f"{label}, pooled", pooled, parts, higher_is_better=higher_is_better)


def mean_of_images(column: str, label: str, definition: str, *, higher_is_better: bool = True) -> Metric:
    """A metric of version 1 that is the mean of a column of the same name; images where it is NaN are left out."""
    told = f"{definition}; mean of the images' values"
    return Metric(f"{column}@1", label, told, column_mean(column), higher_is_better=higher_is_better)


def mean_of(parts: Terms, *, nothing: float | None = 1.0) -> Terms:
    """The mean of each image's own ratio; an image of 0 / 0 counts as `nothing`, or not at all."""

    def terms(records: Records) -> tuple[Array, Array]:
        numerator, denominator = (np.asarray(part, np.float64) for part in parts(records))
        empty = denominator == 0
        value = np.where(empty, nothing or 0.0, numerator / np.where(empty, 1.0, denominator))
        counted = ~empty if nothing is None else np.ones(len(value))
        return value, np.asarray(counted, np.float64)

    return terms


def column_mean(column: str) -> Terms:
    """The mean of a column; images where it is NaN are left out."""

    def terms(records: Records) -> tuple[Array, Array]:
        values = np.asarray(records[column], np.float64)
        known = ~np.isnan(values)
        return np.where(known, values, 0.0), known.astype(np.float64)

    return terms
