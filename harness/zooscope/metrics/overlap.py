"""The overlap of two label images, sparse: which objects meet, and on how many pixels."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer]
CELLS_A_PIXEL = 4
"""A table of all labels times all labels is counted into where it has at most so many cells a pixel of the image."""


@dataclass(frozen=True)
class Overlap:
    """Pairs of a true and a predicted object that share pixels.

    Attributes
    ----------
    truth_area, predicted_area : pixels of each object, one entry an object, in the order of their labels.
    truth, predicted : indices into them, one entry a pair, sorted by the first, then the second.
    shared : pixels that the pair shares.
    """

    truth_area: NDArray[np.int64]
    predicted_area: NDArray[np.int64]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    shared: NDArray[np.int64]

    @classmethod
    def of(cls, prediction: Labels, truth: Labels) -> "Overlap":
        """Count in one pass; labels may have gaps and any size.

        Parameters
        ----------
        prediction, truth : label images of one shape; 0 is background.

        Raises
        ------
        ValueError : shapes that differ, numbers that are not whole, negative labels.
        """
        for name, labels in (("prediction", prediction), ("truth", truth)):
            if labels.dtype.kind not in "iub":
                raise ValueError(f"{name} is {labels.dtype}; labels are whole numbers")
            if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
                raise ValueError(f"{name} has negative labels, down to {labels.min()}")
        if prediction.shape != truth.shape:
            raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
        tops = [int(labels.max(initial=0)) + 1 for labels in (truth, prediction)]
        if tops[0] * tops[1] <= CELLS_A_PIXEL * truth.size:
            return cls._from_table(prediction.ravel(), truth.ravel(), *tops)
        return cls._from_pairs(prediction.ravel(), truth.ravel())

    @classmethod
    def _from_table(cls, prediction: Labels, truth: Labels, height: int, width: int) -> "Overlap":
        keys = truth.astype(np.int64)
        keys *= width
        keys += prediction
        table = np.bincount(keys, minlength=height * width).reshape(height, width)
        table = table[np.r_[True, table[1:].any(axis=1)]]
        table = table[:, np.r_[True, table[:, 1:].any(axis=0)]]
        rows, columns = np.nonzero(table[1:, 1:])
        areas = table[1:].sum(axis=1), table[:, 1:].sum(axis=0)
        return cls(*areas, rows, columns, table[1:, 1:][rows, columns])

    @classmethod
    def _from_pairs(cls, prediction: Labels, truth: Labels) -> "Overlap":
        (truth_area, rows), (predicted_area, columns) = _dense(truth), _dense(prediction)
        both = np.flatnonzero((rows > 0) & (columns > 0))
        width = len(predicted_area) + 1
        keys, shared = np.unique(rows[both] * width + columns[both], return_counts=True)
        return cls(truth_area, predicted_area, keys // width - 1, keys % width - 1, shared)

    @cached_property
    def union(self) -> NDArray[np.int64]:
        """Pixels that either of a pair covers."""
        return self.truth_area[self.truth] + self.predicted_area[self.predicted] - self.shared

    @cached_property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair."""
        return self.shared / self.union


def _dense(labels: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels of each object, and the flat image with objects numbered 1..n without gaps."""
    top = int(labels.max(initial=0))
    if top <= 4 * labels.size:
        counts = np.bincount(labels, minlength=top + 1)
        counts[0] = 0
        return counts[counts > 0], np.where(counts > 0, np.cumsum(counts > 0), 0)[labels]
    ids, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return (counts[1:], index) if ids[0] == 0 else (counts, index + 1)
