"""Metrics by name: `<what>.<how averaged>@<version>`. One record an image, from which every score follows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import UsageError
from zooscope.metrics import instances, semantic
from zooscope.metrics.ratio import Records, Terms, mean_of, sum_of

RECORDS = "instance-segmentation@1"
"""Name and version of the record that `measure` makes; it changes when a column's meaning does."""


@dataclass(frozen=True)
class Metric:
    """A score with its exact definition; higher is better for all that there are yet.

    `terms` gives each image's numerator and denominator.
    """

    name: str
    label: str
    definition: str
    terms: Terms

    def reduce(self, records: Records, weights: NDArray[np.float64] | None = None) -> float:
        """The score of some images, each counted `weights` times; NaN where nothing counts."""
        numerator, denominator = self.terms(records)
        if weights is not None:
            numerator, denominator = numerator * weights, denominator * weights
        total = float(denominator.sum())
        return float(numerator.sum()) / total if total else float("nan")


def measure(prediction: NDArray[np.integer], truth: NDArray[np.integer]) -> dict[str, float]:
    """The record of one image: counts of objects and pixels, all additive over images.

    Raises
    ------
    ValueError : label images of different shapes.
    """
    return instances.measure(prediction, truth) | semantic.measure(prediction, truth)


def _metrics() -> Iterator[Metric]:
    families = [
        (f"ap{p}", f"AP at IoU {p / 100:g}", f"TP / (TP + FP + FN) at IoU >= {p / 100:g}", instances.accuracy(p))
        for p in instances.THRESHOLDS
    ]
    families += [
        (f"f1-{p}", f"F1 at IoU {p / 100:g}", f"2 TP / (2 TP + FP + FN) at IoU >= {p / 100:g}", instances.f1(p))
        for p in (50, 75)
    ]
    families += [
        (f"pq{p}", f"PQ at IoU {p / 100:g}", f"sum of IoU of matches / (TP + FP/2 + FN/2) at IoU >= {p / 100:g}",
         instances.panoptic_quality(p))
        for p in (50,)
    ]  # fmt: skip
    for name, label, definition, parts in (
        ("fg-iou", "foreground IoU", "TP / (TP + FP + FN) of foreground pixels", semantic.foreground_iou),
        ("dice", "Dice", "2 TP / (2 TP + FP + FN) of foreground pixels", semantic.dice),
        ("pixel-accuracy", "pixel accuracy", "pixels rightly called foreground or background", semantic.pixel_accuracy),
    ):
        families.append((name, label, definition, (mean_of(parts), sum_of(parts))))
    for name, label, definition, (per_image, pooled) in families:
        yield Metric(f"{name}.per-image@1", label, f"{definition}; mean of the images' values", per_image)
        yield Metric(f"{name}.pooled@1", f"{label}, pooled", f"{definition}; counts summed over images first", pooled)
    yield Metric(
        "ap.per-image@1",
        "AP, IoU .5 to .95",
        "mean over IoU thresholds .50:.05:.95 of TP / (TP + FP + FN) at IoU >= threshold; mean of the images' values",
        instances.mean_accuracy,
    )


METRICS: dict[str, Metric] = {metric.name: metric for metric in _metrics()}


def find_metric(name: str) -> Metric:
    """The metric of that name; UsageError if there is none."""
    if name not in METRICS:
        raise UsageError(f"metric '{name}' is not one of {', '.join(METRICS)}")
    return METRICS[name]
