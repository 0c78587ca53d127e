"""Tuning's objective: what the answer to an image is worth with given parameters."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.metrics import find_metric, measure
from zooscope.sample import Task

OBJECTIVES: Mapping[Task, str] = {
    Task.INSTANCE_SEGMENTATION: "ap.per-image@1",
    Task.RESTORATION: "psnr.range-gt@1",
}


def objective(
    decode: Callable[..., Any],
    maps: NDArray[np.float32],
    truth: NDArray[Any],
    params: Mapping[str, Any],
    *,
    task: Task = Task.INSTANCE_SEGMENTATION,
) -> float:
    """The objective of one image, whose truth are labels (y, x) or a clean image."""
    found, _ = decode(maps, truth.shape, **params)
    record = {name: np.array([value]) for name, value in measure(found, truth, task=task).items()}
    return find_metric(OBJECTIVES[task]).reduce(record)
