"""Verdicts: what became of each object of an image, true or predicted: hit, missed, false, split or merged."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooscope.metrics.caicedo import TOUCHING_IOU
from zooscope.metrics.matching import matches
from zooscope.metrics.overlap import Labels, Overlap

VERDICTS = ("hit", "missed", "false", "split", "merged")
HIT, MISSED, FALSE, SPLIT, MERGED = range(len(VERDICTS))


@dataclass(frozen=True)
class Verdicts:
    """One entry an object, in the order of their labels: an index into `VERDICTS`.

    Attributes
    ----------
    truth : hit, missed, split (several predicted objects lie on it) or merged (a predicted one covers others too).
    predicted : hit, false, split (one of several on a true object) or merged (it covers several true ones).
    iou : of each predicted object, its largest with a true one.
    """

    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    iou: NDArray[np.float64]


def judge(prediction: Labels, truth: Labels) -> Verdicts:
    """Judge the objects of an image.

    A hit is matched at IoU >= 0.5, as AP counts it. What is not hit counts as merged before split, by pairs of
    IoU > 0.1 (Caicedo et al. 2019, doi:10.1002/cyto.a.23863), and as missed or false if it is neither.
    """
    overlap = Overlap.of(prediction, truth)
    real, found = len(overlap.truth_area), len(overlap.predicted_area)
    touching = overlap.iou > TOUCHING_IOU
    rows, columns = overlap.truth[touching], overlap.predicted[touching]
    divided = np.bincount(rows, minlength=real) > 1
    merging = np.bincount(columns, minlength=found) > 1
    of_truth, of_found = np.full(real, MISSED), np.full(found, FALSE)
    of_truth[divided] = SPLIT
    of_found[columns[divided[rows]]] = SPLIT
    of_truth[rows[merging[columns]]] = MERGED
    of_found[merging] = MERGED
    hit = matches(overlap)
    of_truth[overlap.truth[hit]] = HIT
    of_found[overlap.predicted[hit]] = HIT
    iou = np.zeros(found)
    np.maximum.at(iou, overlap.predicted, overlap.iou)
    return Verdicts(of_truth, of_found, iou)
