"""COCO's average precision and recall of many images, for any weighting of the images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooscope.metrics.coco import THRESHOLDS, Detections, Protocol
from zooscope.metrics.metric import Array

RECALLS = np.linspace(0, 1, 101)


def average_precision(records: Sequence[Detections], weights: Array | None = None) -> dict[str, float]:
    """AP and AR by name, e.g. `coco-mask-ap50-own-score.pooled@1`.

    Parameters
    ----------
    records : one an image, in the order in which detections of equal scores are to stand.
    weights : how often each image counts; copies of a detection stand beside it.

    Returns
    -------
    `ap`, `ap50`, `ap75`, AP and AR of each range of areas, and AR for each number of detections. NaN where no true
    object counts (COCOeval says -1).

    Raises
    ------
    ValueError : no records, or records of several protocols, kinds or score sources; weights of another number.
    """
    return Ranking.of(records).scores(weights)


@dataclass(frozen=True)
class Ranking:
    """The detections of many images, highest score first, for `scores` of many weightings (a bootstrap).

    Attributes
    ----------
    image : which image each detection is of.
    outcome : as in `Detections`.
    truths : (images, areas).
    found : true positives of each image among its first detections: (images, numbers of detections, areas, thresholds).
    """

    protocol: Protocol
    kind: str
    score_source: str
    image: NDArray[np.intp]
    outcome: NDArray[np.int8]
    truths: NDArray[np.int64]
    found: NDArray[np.int64]

    @classmethod
    def of(cls, records: Sequence[Detections]) -> "Ranking":
        """Rank once; of equal scores the earlier image comes first."""
        whats = {(r.protocol.name, r.kind, r.score_source) for r in records}
        if len(whats) != 1:
            told = ", ".join("-".join(what) for what in sorted(whats)) or "no images"
            raise ValueError(f"detections of one protocol, kind and score source are expected, not {told}")
        order = np.argsort(-np.concatenate([r.scores for r in records]), kind="stable")
        outcome = np.concatenate([r.outcome for r in records], axis=2)[:, :, order]
        image = np.repeat(np.arange(len(records)), [len(r.scores) for r in records])[order]
        first = records[0]
        found = [[(r.outcome[:, :, :most] == 1).sum(axis=2) for most in first.protocol.max_detections] for r in records]
        truths = np.stack([r.truths for r in records])
        return cls(first.protocol, first.kind, first.score_source, image, outcome, truths, np.array(found))

    def scores(self, weights: Array | None = None) -> dict[str, float]:
        """AP and AR by name; see `average_precision`."""
        if weights is None:
            weights = np.ones(len(self.truths))
        if weights.shape != (len(self.truths),):
            raise ValueError(f"weights of shape {weights.shape} for {len(self.truths)} images")
        return {
            f"{self.protocol.name}-{self.kind}-{what}-{self.score_source}.pooled@1": float(value)
            for what, value in self._scores(weights)
        }

    def _scores(self, weights: Array) -> Iterator[tuple[str, np.floating]]:
        truths = weights @ self.truths
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = np.tensordot(weights, self.found, 1).mean(axis=2) / truths
        of_detections = weights[self.image]
        for a, area in enumerate(self.protocol.areas):
            precision = _interpolated(self.outcome[a], of_detections, truths[a])
            if area == "all":
                yield "ap", precision.mean()
                yield "ap50", precision[0].mean()
                yield "ap75", precision[5].mean()
                for most, value in zip(self.protocol.max_detections, recall[:, a], strict=True):
                    yield f"ar{most}", value
            else:
                yield f"ap-{area}", precision.mean()
                yield f"ar-{area}", recall[-1, a]


def _interpolated(outcome: NDArray[np.int8], weights: Array, truths: float) -> Array:
    """(thresholds, recalls): the highest precision at each recall or beyond it; 0 beyond the last recall."""
    if truths == 0:
        return np.full((len(THRESHOLDS), len(RECALLS)), np.nan)
    right = np.cumsum((outcome == 1) * weights, axis=1)
    wrong = np.cumsum((outcome == -1) * weights, axis=1)
    precision = right / (right + wrong + np.spacing(1))
    highest = np.zeros((len(precision), precision.shape[1] + 1))
    highest[:, :-1] = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    reached = [np.searchsorted(row, RECALLS) for row in right / truths]
    return np.take_along_axis(highest, np.stack(reached), axis=1)
