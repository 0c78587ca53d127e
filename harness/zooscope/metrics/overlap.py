"""The overlap of two label images, sparse: which objects meet, and on how many pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Overlap:
    """Pairs of a true and a predicted object that share pixels.

    Attributes
    ----------
    truth_area, predicted_area : pixels of each object, one entry an object.
    truth, predicted : indices into them, one entry a pair.
    shared : pixels that the pair shares.
    """

    truth_area: NDArray[np.int64]
    predicted_area: NDArray[np.int64]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    shared: NDArray[np.int64]

    @classmethod
    def of(cls, prediction: NDArray[np.integer], truth: NDArray[np.integer]) -> "Overlap":
        """Count in one pass; labels may have gaps and any size. Never a dense table of true times predicted objects.

        Parameters
        ----------
        prediction, truth : label images of one shape; 0 is background.
        """
        if prediction.shape != truth.shape:
            raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
        truth_ids, truth_index = _dense(truth)
        predicted_ids, predicted_index = _dense(prediction)
        width = predicted_ids + 1
        keys, counts = np.unique(truth_index.astype(np.int64) * width + predicted_index, return_counts=True)
        rows, columns = keys // width, keys % width
        truth_area = np.bincount(rows, counts, truth_ids + 1)[1:].astype(np.int64)
        predicted_area = np.bincount(columns, counts, width)[1:].astype(np.int64)
        both = (rows > 0) & (columns > 0)
        return cls(truth_area, predicted_area, rows[both] - 1, columns[both] - 1, counts[both])

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair."""
        union = self.truth_area[self.truth] + self.predicted_area[self.predicted] - self.shared
        return self.shared / union


def _dense(labels: NDArray[np.integer]) -> tuple[int, NDArray[np.int64]]:
    """Number of objects, and the flat image with them numbered 1..n without gaps."""
    flat = labels.ravel()
    top = int(flat.max(initial=0))
    if top <= 4 * flat.size:
        present = np.zeros(top + 1, bool)
        present[flat] = True
        present[0] = False
        return int(present.sum()), np.where(present, np.cumsum(present), 0)[flat]
    ids, index = np.unique(flat, return_inverse=True)
    return (len(ids) - 1, index) if ids[0] == 0 else (len(ids), index + 1)
