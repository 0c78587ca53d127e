"""Boxes: rows of y0, x0, y1, x1. The boxes around the objects of an image, and which boxes of two sets overlap."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from zooscope.masks import Masks
from zooscope.metrics.overlap import Labels

Boxes = NDArray[np.float64]
"""(n, 4): y0, x0, y1, x1. A box around pixels 3 to 5 goes from 3 to 6."""

AT_ONCE = 256
"""Boxes that are compared with all others in one step; bounds the memory."""


def around(labels: Labels | Masks) -> Boxes:
    """The box around each object of a label image (y, x), in the order of labels, or around each mask.

    Raises
    ------
    ValueError : an image that is not two-dimensional.
    """
    if isinstance(labels, Masks):
        return labels.boxes()
    if labels.ndim != 2:
        raise ValueError(f"labels of shape {labels.shape}; boxes are around the objects of a (y, x) image")
    if not labels.any():
        return np.zeros((0, 4))
    numbered: Labels = labels
    if labels.max() > labels.size:  # one place is kept for every label up to the greatest
        ids, index = np.unique(labels, return_inverse=True)
        numbered = index.reshape(labels.shape) + (ids[0] > 0)
    found = ndimage.find_objects(numbered.astype(np.int64))
    rows = [(part[0].start, part[1].start, part[0].stop, part[1].stop) for part in found if part]
    return np.asarray(rows, np.float64)


def check_boxes(boxes: NDArray[np.generic], *, name: str) -> Boxes:
    """The boxes as float64, after a look.

    Raises
    ------
    ValueError : not (n, 4), not numbers, NaN or infinity, a box that ends before it begins.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{name} has shape {boxes.shape}; boxes are (n, 4), no boxes are (0, 4)")
    if boxes.dtype.kind not in "iuf":
        raise ValueError(f"{name} is {boxes.dtype}; boxes are numbers")
    boxes = boxes.astype(np.float64)
    if not np.isfinite(boxes).all():
        raise ValueError(f"{name} holds NaN or infinity")
    backwards = np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(axis=1))
    if len(backwards):
        raise ValueError(f"{name}: box {backwards[0]} is {boxes[backwards[0]].tolist()}; y0, x0, y1, x1 are expected")
    return boxes


def areas(boxes: Boxes) -> NDArray[np.float64]:
    """Area of each box."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def overlapping(
    one: Boxes, other: Boxes, *, least_iou: float, crowd: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Pairs whose IoU is at least `least_iou` (> 0): indices into both, and the IoU; by the first, then the second.

    Only boxes that can meet along y are compared.

    Parameters
    ----------
    crowd : of each `other`, whether COCO's IoU with a crowd is meant: the share of `one` that lies in it.
    """
    order = np.argsort(other[:, 0], kind="stable")
    tops = other[order, 0]
    tallest = (other[:, 2] - other[:, 0]).max(initial=0)
    first, last = np.searchsorted(tops, one[:, 0] - tallest), np.searchsorted(tops, one[:, 2])
    found = []
    for start in range(0, len(one), AT_ONCE):
        begin, count = first[start : start + AT_ONCE], (last - first)[start : start + AT_ONCE]
        i = np.repeat(np.arange(start, start + len(count)), count)
        j = order[np.arange(len(i)) + np.repeat(begin - np.cumsum(count) + count, count)]
        iou = _iou(one[i], other[j], None if crowd is None else crowd[j])
        near = np.flatnonzero(iou >= least_iou)
        found.append((i[near], j[near], iou[near]))
    if not found:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    i, j, iou = (np.concatenate(part) for part in zip(*found, strict=True))
    by = np.lexsort((j, i))
    return i[by], j[by], iou[by]


def _iou(one: Boxes, other: Boxes, crowd: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Of each row with the same row of the other."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = np.where((sides > 0).all(axis=1), sides[:, 0] * sides[:, 1], 0.0)
    union = areas(one) + areas(other) - shared
    if crowd is not None:
        union = np.where(crowd, areas(one), union)
    return np.divide(shared, union, out=np.zeros(len(shared)), where=shared > 0)
