"""Instances: how many true objects are found at each IoU threshold, and what follows from that."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from zooscope.metrics.overlap import Overlap
from zooscope.metrics.ratio import Records, Terms, mean_of, sum_of

THRESHOLDS = tuple(range(50, 100, 5))
"""IoU thresholds in percent: .50, .55 ... .95."""


def measure(prediction: NDArray[np.integer], truth: NDArray[np.integer]) -> dict[str, float]:
    """Counts of one image: `true`, `predicted`, and `tp50`, `iou50` (sum of those matches' IoU) ... `tp95`, `iou95`.

    A predicted object is a match where its IoU with a true object is at least the threshold (>=, as in
    stardist.matching). Above 0.5 a match is unique; only pairs of exactly 0.5 can compete for an object, and then as
    many as possible are matched.
    """
    overlap = Overlap.of(prediction, truth)
    iou = overlap.iou
    record = {"true": float(len(overlap.truth_area)), "predicted": float(len(overlap.predicted_area))}
    for percent in THRESHOLDS:
        hit = iou >= percent / 100
        if percent == 50:
            hit &= _unique(overlap, iou)
        record[f"tp{percent}"] = float(hit.sum())
        record[f"iou{percent}"] = float(iou[hit].sum())
    return record


def accuracy(percent: int) -> tuple[Terms, Terms]:
    """TP / (TP + FP + FN), "AP" in StarDist, Cellpose and the Data Science Bowl: mean of images, and pooled."""

    def parts(records: Records) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        tp = records[f"tp{percent}"]
        return tp, records["true"] + records["predicted"] - tp

    return mean_of(parts), sum_of(parts)


def f1(percent: int) -> tuple[Terms, Terms]:
    """2 TP / (2 TP + FP + FN): mean of images, and pooled."""

    def parts(records: Records) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return 2 * records[f"tp{percent}"], records["true"] + records["predicted"]

    return mean_of(parts), sum_of(parts)


def panoptic_quality(percent: int) -> tuple[Terms, Terms]:
    """Sum of the matches' IoU / (TP + FP/2 + FN/2): mean of images, and pooled.

    Kirillov et al. 2019, arXiv:1801.00868.
    """

    def parts(records: Records) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return records[f"iou{percent}"], (records["true"] + records["predicted"]) / 2

    return mean_of(parts), sum_of(parts)


def mean_accuracy(records: Records) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over the ten thresholds of each image's accuracy; then the mean of images."""
    terms = [accuracy(percent)[0](records) for percent in THRESHOLDS]
    return np.mean([numerator for numerator, _ in terms], axis=0), terms[0][1]


def _unique(overlap: Overlap, iou: NDArray[np.float64]) -> NDArray[np.bool_]:
    """All pairs, less those of IoU exactly 0.5 that lose their object to another such pair."""
    keep = np.ones(len(iou), bool)
    ties = np.flatnonzero(iou == 0.5)
    if len(ties) < 2:
        return keep
    rows, columns = overlap.truth[ties], overlap.predicted[ties]
    graph = coo_array((np.ones(len(ties)), (rows, columns))).tocsr()
    partner = maximum_bipartite_matching(graph, perm_type="column")
    keep[ties] = partner[rows] == columns
    return keep
