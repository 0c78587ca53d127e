"""Size classes: how well objects of one size are found. Classes by area, as in LIVECell's protocol."""

from collections.abc import Iterator

import numpy as np

from zooscope.metrics.matching import share
from zooscope.metrics.metric import Array, Metric, Records, Terms, averaged
from zooscope.metrics.overlap import Overlap

CLASSES = {"small": (0, 18**2), "medium": (18**2, 31**2), "large": (31**2, np.inf)}
"""Area in pixels, from (inclusive) and to: Edlund et al. 2021, doi:10.1038/s41592-021-01249-6."""


def measure(overlap: Overlap) -> dict[str, float]:
    """Of each class: `true_small`, `tp50_small` (true ones matched), `fp50_small` (predicted ones without a match).

    Matches are of IoU > 0.5, which are unique.
    """
    hit = overlap.iou > 0.5
    lone = np.delete(overlap.predicted_area, overlap.predicted[hit])
    found = overlap.truth_area[overlap.truth[hit]]
    record = dict[str, float]()
    for name, (low, high) in CLASSES.items():
        for column, areas in (("true", overlap.truth_area), ("tp50", found), ("fp50", lone)):
            record[f"{column}_{name}"] = float(np.count_nonzero((areas >= low) & (areas < high)))
    return record


def metrics() -> Iterator[Metric]:
    """All of this family."""
    for name, (low, high) in CLASSES.items():
        size = f"objects of {low} px or more" if np.isinf(high) else f"objects of {low} to {high - 1} px"
        what = f"TP / (TP + FP + FN) at IoU > 0.5, {size} (TP and FN by the true area, FP by the predicted one)"
        yield from averaged(f"ap50-{name}", f"AP at IoU 0.5, {name}", what, _accuracy(name), nothing=None)
        what = f"TP / (TP + FN) at IoU > 0.5, {size}"
        parts = share(f"tp50_{name}", f"true_{name}")
        yield from averaged(f"recall50-{name}", f"recall at IoU 0.5, {name}", what, parts, nothing=None)


def _accuracy(name: str) -> Terms:
    def parts(records: Records) -> tuple[Array, Array]:
        return records[f"tp50_{name}"], records[f"true_{name}"] + records[f"fp50_{name}"]

    return parts
