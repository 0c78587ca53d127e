"""Matching: how many true objects are found at each IoU threshold, and what follows from that."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from zooscope.metrics.metric import Array, Metric, Records, Terms, averaged, mean_of
from zooscope.metrics.overlap import Overlap

THRESHOLDS = tuple(range(50, 100, 5))
"""IoU thresholds in percent: .50, .55 ... .95."""

_FRACTIONS = np.array(THRESHOLDS) / 100


def measure(overlap: Overlap) -> dict[str, float]:
    """Counts of one image: `true`, `predicted`; `tp50`, `iou50` (sum of those matches' IoU), `above50` ... `above95`.

    A predicted object is a match where its IoU with a true object is at least the threshold (`tp`: >=, as in
    stardist.matching and cellpose.metrics) or beyond it (`above`: >, as in the Data Science Bowl's own evaluation).
    Above 0.5 a match is unique; only pairs of exactly 0.5 can compete for an object, and then as many as possible are
    matched.
    """
    iou = overlap.iou[matches(overlap)]
    hit = iou >= _FRACTIONS[:, None]
    record = {"true": float(len(overlap.truth_area)), "predicted": float(len(overlap.predicted_area))}
    counts = hit.sum(axis=1), hit @ iou, (iou > _FRACTIONS[:, None]).sum(axis=1)
    for percent, tp, total, above in zip(THRESHOLDS, *counts, strict=True):
        record |= {f"tp{percent}": float(tp), f"iou{percent}": float(total), f"above{percent}": float(above)}
    return record


def matches(overlap: Overlap) -> NDArray[np.bool_]:
    """Which pairs match at IoU >= 0.5; no object is in two of them."""
    candidates = overlap.iou >= 0.5
    return candidates & _unique(overlap, candidates)


def metrics() -> Iterator[Metric]:
    """All of this family."""
    for p in THRESHOLDS:
        at = f"at IoU {p / 100:g}"
        where = f"at IoU >= {p / 100:g}"
        yield from averaged(f"ap{p}", f"AP {at}", f"TP / (TP + FP + FN) {where}", accuracy(f"tp{p}"))
        yield from averaged(f"f1-{p}", f"F1 {at}", f"2 TP / (2 TP + FP + FN) {where}", f1(f"tp{p}"))
        yield from averaged(f"precision{p}", f"precision {at}", f"TP / (TP + FP) {where}", share(f"tp{p}", "predicted"))
        yield from averaged(f"recall{p}", f"recall {at}", f"TP / (TP + FN) {where}", share(f"tp{p}", "true"))
        beyond, what = f"AP beyond IoU {p / 100:g}", f"TP / (TP + FP + FN) at IoU > {p / 100:g}"
        yield from averaged(f"ap{p}-above", beyond, what, accuracy(f"above{p}"))
    what = "sum of IoU of matches / (TP + FP/2 + FN/2) at IoU >= 0.5"
    yield from averaged("pq50", "PQ at IoU 0.5", what, panoptic_quality)
    what = "mean IoU of matches at IoU >= 0.5 (SQ of PQ)"
    yield from averaged("sq50", "SQ at IoU 0.5", what, segmentation_quality, nothing=None)
    what = "TP / (TP + FP/2 + FN/2) at IoU >= 0.5 (RQ of PQ; the same as F1)"
    yield from averaged("rq50", "RQ at IoU 0.5", what, f1("tp50"))
    over = "mean over IoU thresholds .50:.05:.95 of"
    mean = "mean of the images' values (0 / 0: 1)"
    what = f"{over} TP / (TP + FP + FN) at IoU >= threshold; {mean}"
    yield Metric("ap.per-image@1", "AP, IoU .5 to .95", what, mean_accuracy("tp"))
    what = f"{over} TP / (TP + FP + FN) at IoU > threshold, as the Data Science Bowl scored; {mean}"
    yield Metric("dsb2018.per-image@1", "DSB 2018 score", what, mean_accuracy("above"))
    what = f"{over} FN / (TP + FN) at IoU >= threshold"
    yield from averaged("afnr", "average false-negative rate", what, missed_share, nothing=0.0, higher_is_better=False)


def accuracy(tp: str) -> Terms:
    """TP / (TP + FP + FN), "AP" in StarDist, Cellpose and the Data Science Bowl."""
    return lambda records: (records[tp], records["true"] + records["predicted"] - records[tp])


def f1(tp: str) -> Terms:
    """2 TP / (2 TP + FP + FN)."""
    return lambda records: (2 * records[tp], records["true"] + records["predicted"])


def share(tp: str, of: str) -> Terms:
    """Precision (of the predicted) or recall (of the true)."""
    return lambda records: (records[tp], records[of])


def panoptic_quality(records: Records) -> tuple[Array, Array]:
    """Sum of the matches' IoU / (TP + FP/2 + FN/2). Kirillov et al. 2019, arXiv:1801.00868."""
    return records["iou50"], (records["true"] + records["predicted"]) / 2


def segmentation_quality(records: Records) -> tuple[Array, Array]:
    """Sum of the matches' IoU / TP."""
    return records["iou50"], records["tp50"]


def missed_share(records: Records) -> tuple[Array, Array]:
    """AFNR of LIVECell: Edlund et al. 2021, doi:10.1038/s41592-021-01249-6."""
    found = np.mean([records[f"tp{percent}"] for percent in THRESHOLDS], axis=0)
    return records["true"] - found, records["true"]


def mean_accuracy(column: str) -> Terms:
    """Mean over the ten thresholds of each image's accuracy."""

    def terms(records: Records) -> tuple[Array, Array]:
        found = [mean_of(accuracy(f"{column}{percent}"))(records) for percent in THRESHOLDS]
        return np.mean([value for value, _ in found], axis=0), found[0][1]

    return terms


def _unique(overlap: Overlap, candidates: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """All pairs, less those of IoU exactly 0.5 that lose their object to another such pair."""
    keep = np.ones(len(candidates), bool)
    ties = np.flatnonzero(candidates & (2 * overlap.shared == overlap.union))
    if len(ties) < 2:
        return keep
    rows, columns = overlap.truth[ties], overlap.predicted[ties]
    graph = coo_array((np.ones(len(ties)), (rows, columns))).tocsr()
    partner = maximum_bipartite_matching(graph, perm_type="column")
    keep[ties] = partner[rows] == columns
    return keep
