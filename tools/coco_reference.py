"""Compare COCO's scores with those of pycocotools, on a baseline's answers to real images.

usage: PYTHONPATH=<site-packages with pycocotools> python tools/coco_reference.py [DATASET] [--split SPLIT]

Needs pycocotools beside zooscope; nothing else here does, so it is no dependency. Every image of the split (default:
dsb2018, test) is answered by Otsu's threshold and a watershed, and scored under each protocol as masks, as the boxes
around them, as both of true objects that overlap (made larger, each seventh a crowd), and as boxes that overlap (three
about each object, against true ones made larger): with the contrast of an object as its confidence, in steps of a tenth
so that many are equal; without any confidence; and with images that count several times. The outlines of the true
objects, as polygons, and their run lengths are read by both too. Prints every score of both and the largest difference,
and writes that of each kind and protocol to reports/metrics; exit code 1 where one is beyond 1e-12, or a pixel differs.
"""

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import coco, cocoeval  # pyright: ignore[reportMissingModuleSource]
from pycocotools import mask as masks  # pyright: ignore[reportMissingModuleSource]
from scipy import ndimage
from skimage import measure

import zooscope
from zooscope.atomic import write_text
from zooscope.baselines.thresholds import otsu_watershed
from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.data.coco import runs_of_counts, runs_of_polygons
from zooscope.masks import Masks
from zooscope.metrics import boxes, detection
from zooscope.metrics.average_precision import average_precision
from zooscope.metrics.coco import PROTOCOLS, Detections, Protocol, match_boxes, match_masks

ALLOWED = 1e-12
Objects = Any
"""A label image, masks, or boxes."""


@dataclass(frozen=True)
class Answer:
    """What was found in an image, what is there, and a confidence of each object found."""

    found: Objects
    truth: Objects
    scores: NDArray[np.float64] | None
    count: int = 1


@dataclass(frozen=True)
class Kind:
    """One way to match: ours, and what pycocotools is given: its name of it, and each object's shape and true area."""

    match: Callable[..., Detections]
    name: Any
    shapes: Callable[[Objects], list[dict[str, Any]]]
    true_areas: Callable[[Objects], NDArray[Any]]


def contrast(data: Dataset) -> list[Answer]:
    """One an image; the confidence is the distance of an object's mean from the image's, in steps of a tenth."""
    found = []
    for sample in data:
        gray = to_channels(sample.image, 1)[0].astype(np.float32)
        labels = otsu_watershed(gray)
        means = np.asarray(ndimage.mean(gray, labels, np.arange(1, labels.max() + 1))).reshape(-1)
        scores = np.abs(means - gray.mean()) / max(float(np.ptp(gray)), 1.0)
        found.append(Answer(labels, sample.target, np.round(scores, 1)))
    return found


def crowded(answer: Answer) -> Answer:
    """Boxes that overlap: three about each object found, at fractions of pixels, and true ones larger by 3 px."""
    found, truth = boxes.around(answer.found), boxes.around(answer.truth) + np.array([-3, -3, 3, 3])
    moved = np.concatenate([found, found + 0.7, found + np.array([-1.5, 0.2, 3.4, 1])])
    scores = None if answer.scores is None else np.tile(answer.scores, 3)
    return replace(answer, found=moved, truth=truth, scores=scores)


def overlapping(answer: Answer) -> Answer:
    """True objects made larger by 3 px, so that neighbours overlap; each seventh is a crowd."""
    ids = np.unique(answer.truth[answer.truth > 0])
    stack = [ndimage.binary_dilation(answer.truth == id, iterations=3) for id in ids]
    masks = Masks.of_stack(stack, shape=answer.truth.shape)
    return replace(answer, truth=replace(masks, crowd=np.arange(len(masks)) % 7 == 6))


def unscored(answers: Sequence[Answer]) -> list[Answer]:
    """Without any confidence."""
    return [replace(answer, scores=None) for answer in answers]


def counted(answers: Sequence[Answer]) -> list[Answer]:
    """Images that count 0, 1, 2 or 3 times, with a confidence that no two objects of an image share."""
    found = []
    for i, answer in enumerate(answers):
        assert answer.scores is not None
        scores = answer.scores + np.arange(len(answer.scores)) * 1e-6
        found.append(replace(answer, scores=scores, count=i % 4))
    return found


def ours(answers: Sequence[Answer], kind: Kind, protocol: Protocol) -> dict[str, float]:
    """All scores by name."""
    records = [kind.match(a.found, a.truth, protocol=protocol, scores=a.scores) for a in answers]
    return average_precision(records, np.array([float(answer.count) for answer in answers]))


def theirs(answers: Sequence[Answer], kind: Kind, protocol: Protocol) -> list[float]:
    """The same scores in the same order, from pycocotools."""
    images, true, found = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
    for answer in [each for each in answers for _ in range(each.count)]:
        about = {"image_id": len(images) + 1, "category_id": 1}
        height, width = answer.truth.shape
        images.append({"id": about["image_id"], "height": height, "width": width})
        crowds = answer.truth.crowd.tolist() if isinstance(answer.truth, Masks) else None
        for n, (shape, area) in enumerate(zip(kind.shapes(answer.truth), kind.true_areas(answer.truth), strict=True)):
            crowd = {"area": float(area), "iscrowd": int(crowds[n]) if crowds else 0}
            true.append({"id": len(true) + 1, **crowd, **about, **shape})
        shapes = kind.shapes(answer.found)
        scores = np.ones(len(shapes)) if answer.scores is None else answer.scores
        found += [{"score": float(score), **about, **shape} for shape, score in zip(shapes, scores, strict=True)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth: Any = coco.COCO()
        truth.dataset = {"images": images, "annotations": true, "categories": [{"id": 1, "name": "object"}]}
        truth.createIndex()
        evaluation: Any = cocoeval.COCOeval(truth, truth.loadRes(found), kind.name)
        evaluation.params.maxDets = list(protocol.max_detections)
        evaluation.params.areaRng = [list(area) for area in protocol.areas.values()]
        evaluation.params.areaRngLbl = list(protocol.areas)
        evaluation.params.useCats = 0
        evaluation.evaluate()
        evaluation.accumulate()
    # COCOeval.summarize() takes AP at 100 detections whatever maxDets says, so its arrays are averaged here
    precision, recall = evaluation.eval["precision"][:, :, 0], evaluation.eval["recall"][:, 0]
    values = [precision[:, :, 0, -1], precision[0, :, 0, -1], precision[5, :, 0, -1]]
    values += [recall[:, 0, most] for most in range(3)]
    for area in range(1, 4):
        values += [precision[:, :, area, -1], recall[:, area, -1]]
    return [float(np.mean(value[value > -1])) if (value > -1).any() else float("nan") for value in values]


def as_masks(labels: Objects) -> list[dict[str, Any]]:
    """Run lengths; without a box, since pycocotools would take its area for the mask's."""
    if isinstance(labels, Masks):
        return [{"segmentation": masks.encode(np.asfortranarray(mask))} for mask in each(labels)]
    ids = np.unique(labels[labels > 0])
    return [{"segmentation": masks.encode(np.asfortranarray(labels == id, dtype=np.uint8))} for id in ids]


def each(objects: Masks) -> Iterator[NDArray[np.uint8]]:
    """The mask (y, x) of each object."""
    owner, index = objects.pixels
    for number in range(len(objects)):
        mask = np.zeros(objects.shape, np.uint8)
        mask.flat[index[owner == number]] = 1
        yield mask


def as_boxes(rows: Objects) -> list[dict[str, Any]]:
    """x, y, width, height."""
    return [{"bbox": [x0, y0, x1 - x0, y1 - y0]} for y0, x0, y1, x1 in rows.tolist()]


def mask_areas(labels: Objects) -> NDArray[Any]:
    """Pixels of each object."""
    if isinstance(labels, Masks):
        return labels.area
    return np.unique(labels[labels > 0], return_counts=True)[1]


KINDS: Mapping[str, Kind] = {
    "mask": Kind(match_masks, "segm", as_masks, mask_areas),
    "box": Kind(match_boxes, "bbox", lambda labels: as_boxes(boxes.around(labels)), mask_areas),
    "overlapping-mask": Kind(match_masks, "segm", as_masks, mask_areas),
    "overlapping-box": Kind(match_boxes, "bbox", lambda objects: as_boxes(boxes.around(objects)), mask_areas),
    "detection": Kind(detection.match, "bbox", as_boxes, boxes.areas),
}


def pixels_apart(answers: Sequence[Answer]) -> tuple[int, int]:
    """Objects, and pixels that differ where outlines as polygons and packed run lengths are read by both."""
    objects = apart = 0
    for truth in [answer.truth for answer in answers]:
        shape = truth.shape
        for mask in each(overlapping(Answer(truth, truth, None)).truth):
            outlines = [line[:, ::-1] + 0.37 for line in measure.find_contours(np.pad(mask, 1), 0.5)]
            polygons: Any = [line.ravel().tolist() for line in outlines]
            codes: Any = masks.frPyObjects(polygons, *shape)
            packed: Any = masks.encode(np.asfortranarray(mask))
            polygon, start, length = runs_of_polygons(outlines, shape=shape)
            runs = runs_of_counts(packed["counts"].decode(), packed["size"], shape=shape)
            pairs = [(masks.decode(code), start[polygon == n], length[polygon == n]) for n, code in enumerate(codes)]
            for theirs, starts, lengths in [*pairs, (mask, *runs)]:
                mine = Masks.of_runs(np.zeros_like(starts), starts, lengths, shape=shape).labels()
                apart += int((mine != theirs).sum())
            objects += 1
    return objects, apart


def write_report(table: Sequence[Mapping[str, Any]]) -> None:
    """Write reports/metrics/coco.{json,md}."""
    reports = Path(__file__).parents[1] / "reports" / "metrics"
    write_text(reports / "coco.json", json.dumps(table, indent=1) + "\n")
    lines = [
        "# AP and AR beside pycocotools",
        "",
        "Otsu's threshold on real images, with, without and with tied scores.",
    ]
    lines += ["", "| our metrics | reference | scores | images | largest difference |", "|---|---|---:|---:|---:|"]
    lines += [
        f"| `{r['metric']}-...` | {r['reference']} | {r['scores']} | {r['images']} | {r['difference']:.1e} |"
        for r in table
    ]
    write_text(reports / "coco.md", "\n".join(lines) + "\n")


def main() -> int:
    """Print both and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", default="dsb2018")
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    answers = contrast(zooscope.load_dataset(options.dataset, split=options.split))
    differences, table = list[float](), list[dict[str, Any]]()
    change = {"detection": crowded, "overlapping-mask": overlapping, "overlapping-box": overlapping}
    for name, kind in KINDS.items():
        given = [change[name](answer) for answer in answers] if name in change else answers
        for protocol in PROTOCOLS.values():
            first = len(differences)
            for what, cases in (("", given), ("", unscored(given)), (", counted", counted(given))):
                both = zip(ours(cases, kind, protocol).items(), theirs(cases, kind, protocol), strict=True)
                for (score, mine), other in both:
                    differences.append(0.0 if np.isnan(mine) and np.isnan(other) else abs(mine - other))
                    print(f"{name:16} {score + what:60} {mine:.15f} {other:.15f} {differences[-1]:.0e}")
            mine = differences[first:]
            about = {"metric": f"{protocol.name}-{name}", "reference": "pycocotools 2.0.11, COCOeval"}
            table.append({**about, "scores": len(mine), "images": len(answers), "difference": max(mine)})
    write_report(table)
    objects, apart = pixels_apart(answers)
    print(f"{objects} objects as polygons and as run lengths: {apart} pixels apart")
    largest, of = np.max(differences), f"{len(answers)} images, {options.dataset}, {options.split}"
    print(f"{len(differences)} scores of {of}: at most {largest:.1e} apart")
    return int(not largest <= ALLOWED or apart > 0)


if __name__ == "__main__":
    sys.exit(main())
