"""Detection: predicted boxes, with scores or without, against true boxes."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from zooscope.metrics import coco
from zooscope.metrics.boxes import areas, check_boxes, overlapping
from zooscope.metrics.matching import f1, share
from zooscope.metrics.metric import Metric, averaged

LEAST_IOU = 0.5


def measure(prediction: NDArray[np.generic], truth: NDArray[np.generic]) -> dict[str, float]:
    """Counts of one image: boxes `true`, `predicted` and `tp50`, matched one to one at IoU >= 0.5.

    Predicted boxes may overlap, so several may reach a true one: as many as possible are matched.

    Parameters
    ----------
    prediction, truth : (n, 4) and (m, 4): y0, x0, y1, x1, in one unit; no boxes are (0, 4).

    Raises
    ------
    ValueError : another shape, not numbers, NaN, a box that ends before it begins.
    """
    found, real = check_boxes(prediction, name="prediction"), check_boxes(truth, name="truth")
    rows, columns, iou = overlapping(real, found, least_iou=LEAST_IOU)
    graph = coo_array((iou, (rows, columns)), shape=(len(real), len(found))).tocsr()
    matched = maximum_bipartite_matching(graph, perm_type="column") if len(iou) else np.zeros(0)
    return {
        "true": float(len(real)),
        "predicted": float(len(found)),
        "tp50": float(np.count_nonzero(matched >= 0)),
    }


def metrics() -> Iterator[Metric]:
    """F1, precision and recall; AP is no sum over images and comes from `match` and `average_precision`."""
    where = "of boxes matched one to one at IoU >= 0.5"
    yield from averaged("box-f1-50", "F1 of boxes", f"2 TP / (2 TP + FP + FN) {where}", f1("tp50"))
    parts = share("tp50", "predicted")
    yield from averaged("box-precision50", "precision of boxes", f"TP / (TP + FP) {where}", parts)
    yield from averaged("box-recall50", "recall of boxes", f"TP / (TP + FN) {where}", share("tp50", "true"))


def match(
    prediction: NDArray[np.generic],
    truth: NDArray[np.generic],
    *,
    protocol: coco.Protocol = coco.COCO,
    scores: NDArray[np.floating] | None = None,
) -> coco.Detections:
    """Match boxes as COCO does, for `average_precision`; areas are those of the boxes.

    Parameters
    ----------
    prediction, truth : as in `measure`.
    scores : (n,), the confidence of each predicted box; None where there is none: then all are 1, and boxes are ranked
        in the order of images and rows.

    Raises
    ------
    ValueError : boxes as in `measure`; scores of another number, NaN.
    """
    found, real = check_boxes(prediction, name="prediction"), check_boxes(truth, name="truth")
    pairs = overlapping(found, real, least_iou=LEAST_IOU)
    candidates = coco.Candidates(*pairs, areas(found), areas(real))
    return coco.match(candidates, kind="detection", protocol=protocol, scores=scores)
