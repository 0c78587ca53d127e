"""Instances: what is measured of a predicted and a true label image, all from one sparse overlap."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zooscope.metrics import aggregated, caicedo, foreground, matching, size_classes
from zooscope.metrics.metric import Metric
from zooscope.metrics.overlap import Overlap

FAMILIES = (matching, caicedo, aggregated, size_classes, foreground)


def measure(prediction: NDArray[np.integer], truth: NDArray[np.integer]) -> dict[str, float]:
    """Counts and sums of one image, all additive over images; `true` and `predicted` are the numbers of objects."""
    overlap = Overlap.of(prediction, truth)
    return {name: value for family in FAMILIES for name, value in family.measure(overlap).items()}


def metrics() -> Iterator[Metric]:
    """All of this family."""
    for family in FAMILIES:
        yield from family.metrics()
