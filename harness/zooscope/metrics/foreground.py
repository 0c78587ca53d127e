"""Foreground: pixels of foreground and background, whatever object they belong to."""

from collections.abc import Iterator

from zooscope.metrics.metric import Array, Metric, Records, averaged
from zooscope.metrics.overlap import Overlap


def measure(overlap: Overlap) -> dict[str, float]:
    """Counts of pixels: `pixels`, and foreground (label > 0) `fg_tp`, `fg_fp`, `fg_fn`."""
    tp = int(overlap.shared.sum())
    fp, fn = int(overlap.predicted_area.sum()) - tp, int(overlap.truth_area.sum()) - tp
    return {"pixels": float(overlap.pixels), "fg_tp": float(tp), "fg_fp": float(fp), "fg_fn": float(fn)}


def metrics() -> Iterator[Metric]:
    """All of this family."""
    yield from averaged("fg-iou", "foreground IoU", "TP / (TP + FP + FN) of foreground pixels", foreground_iou)
    yield from averaged("dice", "Dice", "2 TP / (2 TP + FP + FN) of foreground pixels", dice)
    what = "pixels rightly called foreground or background"
    yield from averaged("pixel-accuracy", "pixel accuracy", what, pixel_accuracy)


def foreground_iou(records: Records) -> tuple[Array, Array]:
    """TP / (TP + FP + FN) over pixels."""
    return records["fg_tp"], records["fg_tp"] + records["fg_fp"] + records["fg_fn"]


def dice(records: Records) -> tuple[Array, Array]:
    """2 TP / (2 TP + FP + FN) over pixels."""
    return 2 * records["fg_tp"], 2 * records["fg_tp"] + records["fg_fp"] + records["fg_fn"]


def pixel_accuracy(records: Records) -> tuple[Array, Array]:
    """Pixels on the right side of foreground and background / all pixels."""
    return records["pixels"] - records["fg_fp"] - records["fg_fn"], records["pixels"]
