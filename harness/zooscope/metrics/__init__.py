"""Metrics by name: `<what>.<how averaged>@<version>`. One record an image, from which every score follows."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from zooscope.errors import UsageError
from zooscope.metrics import classes, instances, localisation, restoration
from zooscope.metrics.metric import Metric
from zooscope.sample import Task

FAMILIES: Mapping[Task, tuple[ModuleType, ...]] = {
    Task.INSTANCE_SEGMENTATION: (instances,),
    Task.SEMANTIC_SEGMENTATION: (classes,),
    Task.LOCALISATION: (localisation,),
    Task.RESTORATION: (restoration,),
}
"""What is measured of each task: modules with `measure(prediction, truth)` and `metrics()`."""

RECORDS: Mapping[Task, str] = {
    Task.INSTANCE_SEGMENTATION: "instance-segmentation@3",
    Task.SEMANTIC_SEGMENTATION: "semantic-segmentation@1",
    Task.LOCALISATION: "localisation@1",
    Task.RESTORATION: "restoration@1",
}
"""Name and version of the record that `measure` makes; it changes when columns are added or change their meaning."""


def metrics_of(task: Task) -> dict[str, Metric]:
    """The metrics of a task by name."""
    return {metric.name: metric for family in FAMILIES[task] for metric in family.metrics()}


METRICS: Mapping[str, Metric] = {name: metric for task in FAMILIES for name, metric in metrics_of(task).items()}


def measure(
    prediction: NDArray[Any], truth: NDArray[Any], *, task: Task = Task.INSTANCE_SEGMENTATION
) -> dict[str, float]:
    """The record of one image: what its scores, and those of any set of images, are made of.

    Raises
    ------
    ValueError : arrays that cannot be compared: of different shapes, of a dtype that the task does not have, NaN.
    """
    return {name: value for family in FAMILIES[task] for name, value in family.measure(prediction, truth).items()}


def find_metric(name: str) -> Metric:
    """The metric of that name; UsageError if there is none."""
    if name not in METRICS:
        raise UsageError(f"metric '{name}' is not one of {', '.join(METRICS)}")
    return METRICS[name]
