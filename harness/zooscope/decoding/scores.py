"""Tuning's objective: what an image's labels are worth with given parameters."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.metrics import find_metric, measure

OBJECTIVE = "ap.per-image@1"


def objective(
    decode: Callable[..., Any], maps: NDArray[np.float32], truth: NDArray[np.int32], params: Mapping[str, Any]
) -> float:
    """The objective of one image, whose truth are labels (y, x)."""
    labels, _ = decode(maps, truth.shape, **params)
    record = {name: np.array([value]) for name, value in measure(labels, truth).items()}
    return find_metric(OBJECTIVE).reduce(record)
