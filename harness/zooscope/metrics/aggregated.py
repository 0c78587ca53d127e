"""Aggregated: pixels of matched objects over all pixels (AJI, AJI+), and the Cell Tracking Challenge's SEG."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from zooscope.metrics.metric import Metric, averaged
from zooscope.metrics.overlap import Overlap


def measure(overlap: Overlap) -> dict[str, float]:
    """Pixels shared and of either, of AJI, AJI+ and Cellpose's AJI; `seg`, a sum of IoU."""
    best = _best_for_each_truth(overlap)
    shared, union = _aggregate(overlap, best)
    plus_shared, plus_union = _aggregate(overlap, _one_to_one(overlap, best, overlap.iou))
    fewest = max(min(len(overlap.truth_area), len(overlap.predicted_area)), 1)
    preferred = (overlap.iou >= 0.5) + overlap.iou / (2 * fewest)
    cellpose = overlap.shared[_one_to_one(overlap, best, preferred)].sum()
    covered = 2 * overlap.shared > overlap.truth_area[overlap.truth]
    return {
        "aji_shared": shared,
        "aji_union": union,
        "aji_plus_shared": plus_shared,
        "aji_plus_union": plus_union,
        "aji_cellpose_shared": float(cellpose),
        "fg_union": float(overlap.truth_area.sum() + overlap.predicted_area.sum() - overlap.shared.sum()),
        "seg": float(overlap.iou[covered].sum()),
    }


def metrics() -> Iterator[Metric]:
    """All of this family.

    AJI: Kumar et al. 2017, doi:10.1109/TMI.2017.2677499, in the common variant where a predicted object may serve
    several true ones; AJI+: Graham et al. 2019, doi:10.1016/j.media.2019.101563, one to one; SEG: Maška et al. 2014,
    doi:10.1093/bioinformatics/btu080.
    """
    rest = "pixels shared / (pixels of either + those of unmatched objects)"
    what = f"each true object with the predicted one of the highest IoU, which may serve several: {rest}"
    yield from averaged("aji", "AJI", what, lambda r: (r["aji_shared"], r["aji_union"]))
    what = f"true and predicted objects one to one, with the highest sum of IoU: {rest}"
    yield from averaged("aji-plus", "AJI+", what, lambda r: (r["aji_plus_shared"], r["aji_plus_union"]))
    what = "pixels shared by objects matched one to one, IoU >= 0.5 first / pixels of either foreground"
    yield from averaged("aji-cellpose", "AJI, Cellpose", what, lambda r: (r["aji_cellpose_shared"], r["fg_union"]))
    what = "mean over true objects of the IoU with the predicted one that covers more than half of it, else 0"
    yield from averaged("seg", "SEG", what, lambda r: (r["seg"], r["true"]), nothing=None)


def _best_for_each_truth(overlap: Overlap) -> NDArray[np.int64]:
    """Indices of pairs: of each true object that meets any, the pair with the highest IoU, the first of equals."""
    order = np.lexsort((-overlap.iou, overlap.truth))
    _, first = np.unique(overlap.truth[order], return_index=True)
    return order[first]


def _one_to_one(overlap: Overlap, best: NDArray[np.int64], gain: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of pairs: the matching with the highest sum of gains, which grow with the IoU and are less than 2.

    No assignment is solved where every true object's best pair is of another predicted object: that is the matching.
    """
    if len(np.unique(overlap.predicted[best])) == len(best):
        return best
    rows, columns = len(overlap.truth_area), len(overlap.predicted_area)
    # A column for "none" for each true object; costs lie in 1 to 3, since sparse zeros would be no edges.
    none = np.arange(rows)
    costs = np.r_[3 - gain, np.full(rows, 3.0)]
    edges = (costs, (np.r_[overlap.truth, none], np.r_[overlap.predicted, columns + none]))
    left, right = min_weight_full_bipartite_matching(csr_array(edges, shape=(rows, columns + rows)))
    keys = overlap.truth * columns + overlap.predicted
    real = right < columns
    return np.searchsorted(keys, left[real] * np.int64(columns) + right[real])


def _aggregate(overlap: Overlap, pairs: NDArray[np.int64]) -> tuple[float, float]:
    """Pixels shared by the pairs; pixels of either, and of all objects in no pair."""
    lone_truth = np.delete(overlap.truth_area, overlap.truth[pairs])
    lone_predicted = np.delete(overlap.predicted_area, overlap.predicted[pairs])
    union = overlap.union[pairs].sum() + lone_truth.sum() + lone_predicted.sum()
    return float(overlap.shared[pairs].sum()), float(union)
