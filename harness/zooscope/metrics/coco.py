"""COCO's matching: what each detection of one image matched at every IoU threshold and range of areas.

Lin et al. 2014, arXiv:1405.0312, as in the evaluation of cocodataset.org (`COCOeval`): detections choose in the order
of their scores; a true object outside the range of areas, or a crowd, may be matched, but neither counts then.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooscope.masks import Masks
from zooscope.metrics import boxes
from zooscope.metrics.overlap import Labels, Overlap

THRESHOLDS = np.linspace(0.5, 0.95, 10)


@dataclass(frozen=True)
class Protocol:
    """How many detections of an image count, and what is small.

    Attributes
    ----------
    max_detections : AR is told for each; AP is that of the last, and later detections do not exist.
    areas : by name, the least and the greatest area in pixels, both included; the first is "all".
    """

    name: str
    max_detections: tuple[int, int, int]
    areas: Mapping[str, tuple[float, float]]


_LARGEST = 1e10
COCO = Protocol(
    "coco",
    (1, 10, 100),
    {"all": (0, _LARGEST), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, _LARGEST)},
)
LIVECELL = Protocol(
    "livecell",
    (100, 500, 2000),
    {"all": (0, _LARGEST), "small": (0, 18**2), "medium": (18**2, 31**2), "large": (31**2, _LARGEST)},
)
"""Edlund et al. 2021, doi:10.1038/s41592-021-01249-6, and the evaluation in its repository."""
PROTOCOLS: Mapping[str, Protocol] = {protocol.name: protocol for protocol in (COCO, LIVECELL)}


@dataclass(frozen=True)
class Detections:
    """The detections of one image that count, highest score first; those of equal scores as they were given.

    Attributes
    ----------
    protocol, kind : what was matched: "mask", "box" (around masks) or "detection" (boxes of their own).
    score_source : "own-score", or "constant-score" where the detections have none.
    scores : float64 (detections,).
    outcome : int8 (areas, thresholds, detections): 1 a true positive, -1 a false one, 0 not counted.
    truths : int64 (areas,), the true objects that count.
    """

    protocol: Protocol
    kind: str
    score_source: str
    scores: NDArray[np.float64]
    outcome: NDArray[np.int8]
    truths: NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """Pairs of a detection and a true object whose IoU is at least 0.5, and the areas of all, matched or not.

    Attributes
    ----------
    detection, truth : indices into the areas, one entry a pair.
    crowd : of each true object, COCO's `iscrowd`, which any number of detections may match; None where none is one.
    """

    detection: NDArray[np.intp]
    truth: NDArray[np.intp]
    iou: NDArray[np.float64]
    detection_area: NDArray[np.generic]
    truth_area: NDArray[np.generic]
    crowd: NDArray[np.bool_] | None = None


def match_masks(
    prediction: Labels, truth: Labels | Masks, *, protocol: Protocol = COCO, scores: NDArray[np.floating] | None = None
) -> Detections:
    """Match predicted and true objects by the IoU of their pixels; with a crowd it is the detection's share in it.

    Parameters
    ----------
    prediction, truth : label images of one shape; 0 is background. True objects may be masks, which may overlap and
        whose areas are the source's.
    scores : confidence of each predicted object, in the order of labels; None where there is none: then all are 1, and
        objects are ranked in the order of images and labels.

    Raises
    ------
    ValueError : shapes that differ, labels that are negative or not whole, scores of another number or NaN.
    """
    overlap = Overlap.of(prediction, truth)
    area, crowd, iou = overlap.truth_area, None, overlap.iou
    if isinstance(truth, Masks):
        area, crowd = truth.area, truth.crowd
        iou = np.where(crowd[overlap.truth], overlap.shared / overlap.predicted_area[overlap.predicted], iou)
    near = iou >= THRESHOLDS[0]
    candidates = Candidates(
        overlap.predicted[near], overlap.truth[near], iou[near], overlap.predicted_area, area, crowd
    )
    return match(candidates, kind="mask", protocol=protocol, scores=scores)


def match_boxes(
    prediction: Labels, truth: Labels | Masks, *, protocol: Protocol = COCO, scores: NDArray[np.floating] | None = None
) -> Detections:
    """Match predicted and true objects by the IoU of the boxes around them; otherwise as `match_masks`.

    As in COCO's evaluation, the area of a true object is that of its mask, the area of a detection that of its box.
    """
    overlap = Overlap.of(prediction, truth)
    area, crowd = (truth.area, truth.crowd) if isinstance(truth, Masks) else (overlap.truth_area, None)
    found, real = boxes.around(prediction), boxes.around(truth)
    pairs = boxes.overlapping(found, real, least_iou=THRESHOLDS[0], crowd=crowd)
    candidates = Candidates(*pairs, boxes.areas(found), area, crowd)
    return match(candidates, kind="box", protocol=protocol, scores=scores)


def match(candidates: Candidates, *, kind: str, protocol: Protocol, scores: NDArray[np.floating] | None) -> Detections:
    """Let each detection, highest score first, choose a true object that is still free.

    It takes the one of the highest IoU (of equals the last) among those within the range of areas, or else among the
    others and crowds, which stay free. At every threshold and range anew.
    """
    count = len(candidates.detection_area)
    given = np.ones(count) if scores is None else _check_scores(scores, count)
    order = np.argsort(-given, kind="stable")[: protocol.max_detections[-1]]
    rank = np.full(count, -1)
    rank[order] = np.arange(len(order))
    counts = rank[candidates.detection] >= 0
    detection, truth = rank[candidates.detection[counts]], candidates.truth[counts]
    iou = candidates.iou[counts]

    ranges = list(protocol.areas.values())
    outside = _outside(candidates.truth_area, ranges)
    crowd = np.zeros(outside.shape[1], bool) if candidates.crowd is None else candidates.crowd
    outside |= crowd
    unmatched = np.where(_outside(candidates.detection_area, ranges)[:, order], 0, -1)
    outcome = np.repeat(unmatched[:, None].astype(np.int8), len(THRESHOLDS), axis=1)
    value = np.where(outside, 0, 1).astype(np.int8)

    lone = (np.bincount(detection, minlength=len(order))[detection] == 1) & (np.bincount(truth)[truth] == 1)
    hit = iou[lone] >= THRESHOLDS[:, None]
    outcome[:, :, detection[lone]] = np.where(hit, value[:, None, truth[lone]], outcome[:, :, detection[lone]])
    if not lone.all():
        rivals = _by_detection(detection[~lone], truth[~lone], iou[~lone])
        for a, t in np.ndindex(outcome.shape[:2]):
            for d, g in _choose(rivals, float(THRESHOLDS[t]), outside[a].tolist(), crowd.tolist()):
                outcome[a, t, d] = value[a, g]
    source = "constant-score" if scores is None else "own-score"
    return Detections(protocol, kind, source, given[order], outcome, (~outside).sum(axis=1))


Rivals = list[tuple[int, list[tuple[float, int]]]]


def _check_scores(scores: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    if scores.shape != (count,):
        raise ValueError(f"scores of shape {scores.shape} for {count} objects; one each is expected")
    if np.isnan(scores).any():
        raise ValueError(f"scores hold NaN, the first at {int(np.flatnonzero(np.isnan(scores))[0])}")
    return scores.astype(np.float64)


def _outside(area: NDArray[np.generic], ranges: list[tuple[float, float]]) -> NDArray[np.bool_]:
    """(ranges, objects)."""
    low, high = np.asarray(ranges).T[:, :, None]
    return (area < low) | (area > high)


def _by_detection(detection: NDArray[np.intp], truth: NDArray[np.intp], iou: NDArray[np.float64]) -> Rivals:
    """Of each detection, highest score first, the true objects that it may match."""
    found: dict[int, list[tuple[float, int]]] = {}
    for d, g, value in sorted(zip(detection.tolist(), truth.tolist(), iou.tolist(), strict=True)):
        found.setdefault(d, []).append((value, g))
    return list(found.items())


def _choose(rivals: Rivals, least: float, outside: list[bool], crowd: list[bool]) -> list[tuple[int, int]]:
    """(detection, true object) of those that match."""
    taken, found = set[int](), list[tuple[int, int]]()
    for d, options in rivals:
        free = [(not outside[g], value, g) for value, g in options if value >= least and (g not in taken or crowd[g])]
        if free:
            g = max(free)[2]
            taken.add(g)
            found.append((d, g))
    return found
