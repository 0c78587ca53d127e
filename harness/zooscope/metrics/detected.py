"""Detections of all images of a row, what its objects matched by COCO's rules, as bytes of a file."""

import io
import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from zooscope.masks import Masks
from zooscope.metrics.coco import PROTOCOLS, Detections, Protocol, match_boxes, match_masks
from zooscope.metrics.overlap import Labels

KINDS = {"mask": match_masks, "box": match_boxes}

Detected = Mapping[str, Sequence[Detections]]
"""Kind -> the detections of each image, in the order of the ids."""


def detect(
    prediction: Labels, truth: Labels | Masks, *, protocol: Protocol, scores: NDArray[np.floating] | None
) -> dict[str, Detections]:
    """Match the objects of one image by each kind; arguments as of `match_masks`."""
    return {kind: match(prediction, truth, protocol=protocol, scores=scores) for kind, match in KINDS.items()}


def to_bytes(images: Sequence[Mapping[str, Detections]]) -> bytes:
    """A compressed npz; the same detections give the same bytes."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for kind in images[0] if images else ():
        found = [image[kind] for image in images]
        first = found[0]
        about = {"protocol": first.protocol.name, "score_source": first.score_source}
        arrays[f"{kind}.about"] = np.array(json.dumps(about, sort_keys=True))
        arrays[f"{kind}.count"] = np.array([len(one.scores) for one in found])
        arrays[f"{kind}.scores"] = np.concatenate([one.scores for one in found])
        arrays[f"{kind}.outcome"] = np.concatenate([one.outcome for one in found], axis=2)
        arrays[f"{kind}.truths"] = np.stack([one.truths for one in found])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def from_bytes(content: bytes) -> Detected:
    """The same detections."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = dict(file)
    found: dict[str, list[Detections]] = {}
    for name in arrays:
        kind, _, what = name.partition(".")
        if what == "about":
            about = json.loads(str(arrays[name]))
            ends = np.cumsum(arrays[f"{kind}.count"])[:-1]
            scores = np.split(arrays[f"{kind}.scores"], ends)
            outcomes = np.split(arrays[f"{kind}.outcome"], ends, axis=2)
            truths = arrays[f"{kind}.truths"]
            found[kind] = [
                Detections(PROTOCOLS[about["protocol"]], kind, about["score_source"], *image)
                for image in zip(scores, outcomes, truths, strict=True)
            ]
    return found


def is_same(detected: Detected, images: Sequence[Mapping[str, Detections]]) -> bool:
    """Whether these are the detections of those images."""
    if any(len(found) != len(images) for found in detected.values()):
        return False
    pairs = [(one, images[n].get(kind)) for kind, found in detected.items() for n, one in enumerate(found)]
    return all(other is not None and _is_same(one, other) for one, other in pairs)


def _is_same(one: Detections, other: Detections) -> bool:
    told = [(found.protocol.name, found.kind, found.score_source) for found in (one, other)]
    arrays = ((one.scores, other.scores), (one.outcome, other.outcome), (one.truths, other.truths))
    return told[0] == told[1] and all(np.array_equal(a, b) for a, b in arrays)
