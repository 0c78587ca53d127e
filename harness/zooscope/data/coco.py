"""COCO's annotations: a JSON of images and of objects as polygons or run lengths, read as masks.

The format is that of https://cocodataset.org/#format-data. Which pixels lie in a polygon is what pycocotools says, so
that scores on such masks are its scores.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import DataError, one_line
from zooscope.masks import Masks

Ints = NDArray[np.int64]
FIFTHS = 5
"""Corners are rounded to this fraction of a pixel."""

LARGEST_PX = 1_000_000
"""No image is wider or taller; what is larger would not fit the numbers that we count in."""


@dataclass(frozen=True)
class CocoImage:
    """What a file says of one image: its name, its (y, x), and the objects in it in their order."""

    file_name: str
    shape: tuple[int, int]
    objects: Sequence[Mapping[str, Any]]
    source: Path

    def masks(self) -> Masks:
        """The objects; those without a pixel are left out. DataError names a wrong one."""
        owner, start, length = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        corners, owners, area = list[NDArray[np.float64]](), list[int](), list[float]()
        for number, item in enumerate(self.objects):
            what = "has an area that is no number"
            try:
                told = item.get("area")
                area.append(np.nan if told is None else float(told))
                what = "is neither polygons nor run lengths"
                parts = item["segmentation"]
                if isinstance(parts, Mapping):
                    starts, lengths = runs_of_counts(parts["counts"], parts["size"], shape=self.shape)
                    owner.append(np.full(len(starts), number))
                    start.append(starts)
                    length.append(lengths)
                else:
                    corners += [_corners(part) for part in parts]
                    owners += [number] * len(parts)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise DataError(
                    f"{self.source}: object {item.get('id', number)} of {self.file_name} {what} ({one_line(error)}); "
                    "delete the file and fetch again"
                ) from error
        polygon, starts, lengths = runs_of_polygons(corners, shape=self.shape)
        owner.append(np.asarray(owners, np.int64)[polygon])
        start.append(starts)
        length.append(lengths)
        return Masks.of_runs(
            np.concatenate(owner),
            np.concatenate(start),
            np.concatenate(length),
            shape=self.shape,
            area=np.array(area),
            crowd=np.array([bool(item.get("iscrowd", 0)) for item in self.objects], bool),
        )


def read_coco(path: Path) -> Iterator[CocoImage]:
    """Every image that the file lists, once a file name, in the order of names.

    Of several entries with one file name the one with the most objects counts, of equals the first.

    Raises
    ------
    DataError : not whole JSON, not COCO's keys, objects of an image that is not listed.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not whole JSON ({one_line(error)}); delete the file and fetch again") from error
    try:
        images = {item["id"]: item for item in content["images"]}
        listed = content["annotations"]
        objects: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
        for item in listed.values() if isinstance(listed, dict) else listed:
            objects[item["image_id"]].append(item)
        strays = objects.keys() - images.keys()
        found: dict[str, CocoImage] = {}
        for id, item in images.items():
            image = CocoImage(str(item["file_name"]), _shape(item), objects[id], path)
            if len(image.objects) > len(found.get(image.file_name, image).objects) or image.file_name not in found:
                found[image.file_name] = image
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{path}: not COCO's images and annotations ({type(error).__name__}: {one_line(error)})"
        raise DataError(f"{what}; delete the file and fetch again") from error
    if strays:
        what = (
            f"{path}: has objects of {len(strays)} images that it does not list, the first is {min(map(str, strays))}"
        )
        raise DataError(f"{what}; delete the file and fetch again")
    yield from (found[name] for name in sorted(found))


def _shape(item: Mapping[str, Any]) -> tuple[int, int]:
    sides = item["height"], item["width"]
    if not all(isinstance(side, int | float) and 1 <= side <= LARGEST_PX for side in sides):
        raise ValueError(f"{item['file_name']} of height {sides[0]} and width {sides[1]}")
    return int(sides[0]), int(sides[1])


def runs_of_counts(counts: str | Sequence[int], size: Sequence[int], *, shape: tuple[int, int]) -> tuple[Ints, Ints]:
    """Start and length of each run, from COCO's run lengths: off, on, off ... down the columns; a string packs them.

    Raises
    ------
    ValueError, OverflowError : of another image size, or lengths that do not fill the image.
    """
    if tuple(size) != shape:
        raise ValueError(f"run lengths of an image of {list(size)}, but it is {list(shape)}")
    lengths = _unpacked(counts) if isinstance(counts, str) else np.asarray(counts, np.int64)
    ends, pixels = np.cumsum(lengths), shape[0] * shape[1]
    if not len(ends) or ends[-1] != pixels or ((lengths < 0) | (lengths > pixels)).any():  # huge ones sum to anything
        raise ValueError(f"run lengths that do not fill {shape[0]}x{shape[1]} pixels")
    on = ends[: len(ends) // 2 * 2]
    return on[::2], on[1::2] - on[::2]


def _unpacked(text: str) -> Ints:
    """Six bits a character from "0" on: five of a number, lowest first, and whether more follow.

    From the fourth number on, each is told as the difference from the one two before.
    """
    numbers, value, shift = list[int](), 0, 0
    for character in text.encode("ascii"):
        bits = character - 48
        if not 0 <= bits < 64:
            raise ValueError(f"'{chr(character)}' in packed run lengths")
        if shift > 60:
            raise ValueError("packed run lengths of a number beyond 64 bits")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            value -= (bits & 0x10) << (shift - 4) if bits & 0x10 else 0
            numbers.append(value + (numbers[-2] if len(numbers) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("packed run lengths that break off")
    return np.array(numbers, np.int64)


def _corners(part: Any) -> NDArray[np.float64]:
    """(corners, 2) of x, y, in pixels; pixel 0 reaches from 0 to 1."""
    points = np.asarray(part, np.float64)
    if points.ndim != 1 or len(points) % 2 or not np.isfinite(points).all() or (np.abs(points) > LARGEST_PX).any():
        raise ValueError("a polygon is a list of x, y, x, y ...")
    return points.reshape(-1, 2)


def runs_of_polygons(polygons: Sequence[NDArray[np.float64]], *, shape: tuple[int, int]) -> tuple[Ints, Ints, Ints]:
    """Polygon, start and length of each run of the pixels that lie in polygons (corners, 2) of x, y.

    Corners are rounded to fifths of a pixel and joined by lines on that grid. Where a line crosses the middle of a
    column of pixels, what lies below is inside if it was outside, and the reverse. Polygons of less than three corners
    are empty.
    """
    polygons = [points if len(points) > 2 else points[:0] for points in polygons]
    corners = np.concatenate([np.zeros((0, 2)), *polygons])
    corners = np.trunc(FIFTHS * corners + 0.5).astype(np.int64)
    count = np.array([len(points) for points in polygons], np.int64)
    edge_of = np.repeat(np.arange(len(polygons)), count)
    following = np.arange(1, len(corners) + 1)
    following[np.cumsum(count)[count > 0] - 1] = (np.cumsum(count) - count)[count > 0]
    polygon, x, y = _lines(corners, corners[following], edge_of)

    moves = np.flatnonzero((x[1:] != x[:-1]) & (polygon[1:] == polygon[:-1]))
    column = np.minimum(x[moves], x[moves + 1])
    row = np.minimum(y[moves], y[moves + 1])
    middle = FIFTHS // 2
    within = (column % FIFTHS == middle) & (column >= 0) & (column // FIFTHS < shape[1])
    row = np.clip(-(-(row - middle) // FIFTHS), 0, shape[0])
    turns, owner = (column // FIFTHS * shape[0] + row)[within], polygon[moves][within]

    odd = np.flatnonzero(np.bincount(owner, minlength=len(polygons)) % 2)
    turns, owner = np.r_[turns, np.full(len(odd), shape[0] * shape[1])], np.r_[owner, odd]
    order = np.lexsort((turns, owner))
    turns, owner = turns[order], owner[order]
    return owner[::2], turns[::2], turns[1::2] - turns[::2]


def _lines(begin: Ints, end: Ints, owner: Ints) -> tuple[Ints, Ints, Ints]:
    """Owner, x and y of the points of lines from `begin` to `end` (lines, 2), both included, one after another."""
    wide, tall = np.abs(end - begin).T
    steps = np.maximum(wide, tall)
    flat = wide >= tall
    backwards = np.where(flat, begin[:, 0] > end[:, 0], begin[:, 1] > end[:, 1])
    low, high = (np.where(backwards[:, None], *pair) for pair in ((end, begin), (begin, end)))
    rise = np.where(flat, high[:, 1] - low[:, 1], high[:, 0] - low[:, 0])
    slope = rise / np.maximum(steps, 1)

    line = np.repeat(np.arange(len(steps)), steps + 1)
    at = np.arange(len(line)) - np.repeat(np.cumsum(steps + 1) - steps - 1, steps + 1)
    at = np.where(backwards[line], steps[line] - at, at)
    along = at + np.where(flat, low[:, 0], low[:, 1])[line]
    across = np.trunc(np.where(flat, low[:, 1], low[:, 0])[line] + slope[line] * at + 0.5).astype(np.int64)
    x, y = np.where(flat[line], along, across), np.where(flat[line], across, along)
    return owner[line], x, y
