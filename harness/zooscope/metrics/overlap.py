"""The overlap of predicted and true objects, sparse: which of them meet, and on how many pixels."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zooscope.masks import Masks

Labels = NDArray[np.integer]
Counts = NDArray[np.int64]
CELLS_A_RUN = 16
"""A table of all labels times all labels is counted into where it has at most so many cells a run of pixels."""


@dataclass(frozen=True)
class Overlap:
    """Pairs of a true and a predicted object that share pixels.

    Attributes
    ----------
    truth_area, predicted_area : pixels of each object, one entry an object, in the order of their labels.
    truth, predicted : indices into them, one entry a pair, sorted by the first, then the second.
    shared : pixels that the pair shares.
    pixels : of the image.
    """

    truth_area: NDArray[np.int64]
    predicted_area: NDArray[np.int64]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    shared: NDArray[np.int64]
    pixels: int

    @classmethod
    def of(cls, prediction: Labels, truth: Labels | Masks) -> "Overlap":
        """Count in one pass; labels may have gaps and any size. Of many objects no dense table is made.

        Parameters
        ----------
        prediction, truth : label images of one shape; 0 is background. True objects may be masks, which may overlap.

        Raises
        ------
        ValueError : shapes that differ, numbers that are not whole, negative labels.
        """
        for name, labels in (("prediction", prediction), ("truth", truth)):
            if isinstance(labels, Masks):
                continue
            if labels.dtype.kind not in "iub":
                raise ValueError(f"{name} is {labels.dtype}; labels are whole numbers")
            if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
                raise ValueError(f"{name} has negative labels, down to {labels.min()}")
        if prediction.shape != truth.shape:
            raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
        if isinstance(truth, Masks):
            return cls._from_masks(prediction, truth)
        rows, columns, lengths = _runs(truth.ravel(), prediction.ravel())
        height, width = int(rows.max(initial=0)) + 1, int(columns.max(initial=0)) + 1
        if height * width <= CELLS_A_RUN * len(lengths):
            return cls._from_table(rows, columns, lengths, height, width)
        return cls._from_pairs(rows, columns, lengths)

    @classmethod
    def _from_masks(cls, prediction: Labels, truth: Masks) -> "Overlap":
        pixels = prediction.ravel().astype(np.int64)
        predicted_area, labels = _dense(pixels, np.ones(len(pixels), np.int64))
        owner, index = truth.pixels
        under = labels[index]
        width = len(predicted_area) + 1
        keys, shared = np.unique((owner * width + under)[under > 0], return_counts=True)
        return cls(truth.sizes, predicted_area, keys // width, keys % width - 1, shared, prediction.size)

    @classmethod
    def _from_table(cls, rows: Counts, columns: Counts, lengths: Counts, height: int, width: int) -> "Overlap":
        table = _counted(rows * width + columns, lengths, height * width).reshape(height, width)
        table = table[np.r_[True, table[1:].any(axis=1)]]
        table = table[:, np.r_[True, table[:, 1:].any(axis=0)]]
        meeting = table[1:, 1:]
        truth, predicted = np.nonzero(meeting)
        return cls(
            table[1:].sum(axis=1),
            table[:, 1:].sum(axis=0),
            truth,
            predicted,
            meeting[truth, predicted],
            int(lengths.sum()),
        )

    @classmethod
    def _from_pairs(cls, rows: Counts, columns: Counts, lengths: Counts) -> "Overlap":
        (truth_area, truth), (predicted_area, predicted) = _dense(rows, lengths), _dense(columns, lengths)
        both = np.flatnonzero((truth > 0) & (predicted > 0))
        width = len(predicted_area) + 1
        keys, index = np.unique(truth[both] * width + predicted[both], return_inverse=True)
        shared = _counted(index, lengths[both], len(keys))
        return cls(truth_area, predicted_area, keys // width - 1, keys % width - 1, shared, int(lengths.sum()))

    @cached_property
    def union(self) -> NDArray[np.int64]:
        """Pixels that either of a pair covers."""
        return self.truth_area[self.truth] + self.predicted_area[self.predicted] - self.shared

    @cached_property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair."""
        return self.shared / self.union


def _runs(truth: Labels, prediction: Labels) -> tuple[Counts, Counts, Counts]:
    """True label, predicted label and length of each run of pixels that have both in common.

    A row of an image changes its labels at the edges of objects alone, so that there are far fewer runs than pixels.
    """
    starting = np.ones(truth.size, bool)
    np.not_equal(truth[1:], truth[:-1], out=starting[1:])
    starting[1:] |= prediction[1:] != prediction[:-1]
    starts = np.flatnonzero(starting)
    lengths = np.diff(starts, append=truth.size)
    return truth[starts].astype(np.int64), prediction[starts].astype(np.int64), lengths


def _counted(index: Labels, lengths: Counts, size: int) -> Counts:
    """Pixels of each index; floats hold them exactly up to 2**53."""
    return np.bincount(index, lengths, size).astype(np.int64)


def _dense(labels: Counts, lengths: Counts) -> tuple[Counts, Counts]:
    """Pixels of each object, and the runs' objects numbered 1..n without gaps, 0 the background."""
    top = int(labels.max(initial=0))
    if top <= 4 * labels.size:
        counts = _counted(labels, lengths, top + 1)
        counts[0] = 0
        return counts[counts > 0], np.where(counts > 0, np.cumsum(counts > 0), 0)[labels]
    ids, index = np.unique(labels, return_inverse=True)
    counts = _counted(index, lengths, len(ids))
    return (counts[1:], index) if ids[0] == 0 else (counts, index + 1)
