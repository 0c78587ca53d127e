"""Caicedo 2019: missed, split and merged objects, and F1 over thresholds.

Caicedo et al. 2019, doi:10.1002/cyto.a.23863: F1 at IoU > .50:.05:.95, objects missed at IoU > 0.7, splits and merges
among pairs of IoU > 0.1.
"""

from collections.abc import Iterator

import numpy as np

from zooscope.metrics.matching import THRESHOLDS, f1, share
from zooscope.metrics.metric import Array, Metric, Records, averaged, mean_of
from zooscope.metrics.overlap import Overlap

TOUCHING_IOU = 0.1
MISSED_BELOW = 70


def measure(overlap: Overlap) -> dict[str, float]:
    """`split`: true objects that several predicted ones overlap; `merged`: predicted ones over several true ones."""
    touching = overlap.iou > TOUCHING_IOU
    split = np.bincount(overlap.truth[touching], minlength=1) > 1
    merged = np.bincount(overlap.predicted[touching], minlength=1) > 1
    return {"split": float(split.sum()), "merged": float(merged.sum())}


def metrics() -> Iterator[Metric]:
    """All of this family."""
    what = "mean over IoU thresholds .50:.05:.95 of 2 TP / (2 TP + FP + FN) at IoU > threshold"
    what = f"{what}; mean of the images' values (0 / 0: 1)"
    yield Metric("f1-caicedo.per-image@1", "F1, IoU .5 to .95", what, mean_f1)
    for label, definition, parts in (
        ("missed", "true objects without a predicted one of IoU > 0.7", missed),
        ("split", "true objects with several predicted ones of IoU > 0.1", share("split", "true")),
        ("merged", "predicted objects with several true ones of IoU > 0.1", share("merged", "true")),
    ):
        what = f"{definition} / true objects"
        yield from averaged(label, label, what, parts, nothing=0.0, higher_is_better=False)


def mean_f1(records: Records) -> tuple[Array, Array]:
    """Mean over the thresholds of each image's F1."""
    found = [mean_of(f1(f"above{percent}"))(records) for percent in THRESHOLDS]
    return np.mean([value for value, _ in found], axis=0), found[0][1]


def missed(records: Records) -> tuple[Array, Array]:
    """Share of the true objects."""
    return records["true"] - records[f"above{MISSED_BELOW}"], records["true"]
