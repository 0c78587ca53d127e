"""cellpose-flows: pixels that follow their flow to the same place are one object."""

from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import resize

VERSION = 2
SEARCH: dict[str, tuple[Any, ...]] = {
    "cellprob_threshold": (-2.0, -1.0, 0.0, 1.0, 2.0),
    "flow_threshold": (0.2, 0.4, 0.8, 0.0),
}

FLOW_SCALE = 5.0
"""Cellpose's networks answer with five times the unit flow."""

STEPS = 200
PEAK, WINDOW_PX = 10, 5
"""A seed is where more pixels than this end, and no place within two pixels has more of them."""

ROUNDING_PX = 1e-3
"""In a large image float32 ends so far short of a pixel that it has reached."""

GROW, GROWN = 5, 2
"""Seeds take in what touches them, pixel by pixel, this many times, where more pixels than this end."""

SHELF_PX = 2**15
"""Of heat that is worked on at a time, so that it stays in the processor's cache."""

MAX_FRACTION = 0.4
"""No object is larger than this share of the image."""


def decode(
    maps: NDArray[np.float32],
    shape: tuple[int, int],
    *,
    cellprob_threshold: float = 0.0,
    flow_threshold: float = 0.4,
    min_size_px: int = 15,
    device: Any = None,
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.generic]]]:
    """Follow the flows, gather pixels by where they end, drop objects whose flows are not those of their shape.

    Stringer et al. 2021, doi:10.1038/s41592-020-01018-x; the constants are those of Cellpose 3.1.

    Parameters
    ----------
    maps : (3, y, x): flow along y, flow along x, logit of being inside a cell. Scaled to `shape` if of another size;
        what comes after the three is not looked at.
    shape : (y, x) of the image.
    flow_threshold : largest mean squared difference of an object's flows from those that its shape gives; 0 keeps all.
    device : torch's, on which pixels follow the flows; the processor unless told.

    Returns
    -------
    Labels int32 (y, x) numbered 1..n, and `score`: the mean probability of each object.
    """
    if maps.shape[0] < 3:
        raise ValueError(f"{maps.shape[0]} channels; flow y, flow x and cell probability are expected")
    maps = maps[:3]
    if maps.shape[1:] != shape:
        maps = np.stack([np.asarray(resize(channel, shape, order=1), np.float32) for channel in maps])
    flows, inside = maps[:2] / np.float32(FLOW_SCALE), maps[2] > cellprob_threshold
    labels = np.zeros(shape, np.int32)
    if inside.any():
        y, x = np.nonzero(inside)
        labels[y, x] = _gathered(_followed(flows * inside, y, x, device), shape)
        sizes = np.bincount(labels.ravel())
        labels[(sizes > MAX_FRACTION * labels.size)[labels] & (labels > 0)] = 0
        if flow_threshold > 0:
            labels = _without_wrong_flows(labels, flows, flow_threshold)
    labels = _filled(labels, min_size_px)
    probability = 1 / (1 + np.exp(-maps[2].astype(np.float64)))
    scores = ndimage.mean(probability, labels, np.arange(1, labels.max(initial=0) + 1))
    return labels, {"score": np.asarray(scores, np.float32)}


def flows_of_labels(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Unit flows (2, y, x) that a shape gives: up the gradient of heat that spreads from each object's centre.

    In each step the centre warms by 1 and every pixel takes the mean of its 3x3, all outside of its object being at 0;
    an object of height h and width w takes 2 (h + w + 4) steps.
    """
    flows = np.zeros((2, *labels.shape), np.float32)
    y, x = np.nonzero(labels)
    if len(y) == 0:
        return flows
    boxes = {number: box for number, box in enumerate(ndimage.find_objects(labels), 1) if box is not None}
    index = np.zeros(labels.max() + 1, np.int64)
    index[list(boxes)] = np.arange(len(boxes))
    own = index[labels[y, x]]
    top, left, height, width = np.array(
        [[*(part.start for part in box), *(part.stop - part.start for part in box)] for box in boxes.values()]
    ).T
    inner_y, inner_x = y - top[own], x - left[own]
    # objects lie side by side on shelves, none next to another, so that a step is a few sums of whole rows
    shelves, corner, row, end = _shelved(height, width)
    place = corner[own] + inner_y * row[own] + inner_x
    share, heat = np.zeros(end[-1]), np.zeros(end[-1])
    share[place] = 1 / 9
    centre = place[_central(own, inner_y, inner_x)]
    for shelf, first, last in zip(shelves, [0, *end], end, strict=False):
        _warm(
            heat[first:last], share[first:last], int(row[shelf[0]]),
            centre[shelf] - first, corner[shelf] - first, height[shelf], width[shelf],
        )  # fmt: skip
    below, right = place + row[own], place + 1
    along_y, along_x = heat[below] - heat[place - row[own]], heat[right] - heat[place - 1]
    length = np.hypot(along_y, along_x) + 1e-60
    flows[0, y, x], flows[1, y, x] = along_y / length, along_x / length
    return flows


Numbers = NDArray[np.int64]


def _shelved(height: Numbers, width: Numbers) -> tuple[list[Numbers], Numbers, Numbers, list[int]]:
    """Which objects share a shelf; each one's corner, as an index, and its shelf's length of a row; shelves' ends.

    Objects of one shelf are about as large, the smallest first; a row and a column of nothing are around each.
    """
    order = np.argsort(height + width, kind="stable")
    area = np.cumsum(((height + 2) * (width + 1))[order])
    shelves = np.split(order, np.flatnonzero(np.diff(area // SHELF_PX)) + 1)
    corner, row, end = np.empty_like(width), np.empty_like(width), [0]
    for shelf in shelves:
        wide = width[shelf] + 1
        row[shelf] = wide.sum()
        corner[shelf] = end[-1] + wide.sum() + np.cumsum(wide) - wide
        end.append(end[-1] + int((height[shelf].max() + 2) * wide.sum()))
    return shelves, corner, row, end[1:]


def _warm(
    kept: NDArray[np.float64], share: NDArray[np.float64], row: int,
    centre: Numbers, corner: Numbers, height: Numbers, width: Numbers,
) -> None:  # fmt: skip
    """Write into `kept` the heat of a shelf's objects; `share` is 1/9 within them."""
    heat, three, nine = (np.zeros_like(share) for _ in range(3))
    done = 0
    for at, tall, wide in zip(corner, height, width, strict=True):
        steps = 2 * int(tall + wide + 4)
        for _ in range(done, steps):
            heat[centre] += 1
            np.add(heat[:-2], heat[2:], out=three[1:-1])
            three += heat
            np.add(three[: -2 * row], three[2 * row :], out=nine[row:-row])
            nine += three
            np.multiply(nine, share, out=heat)
        done = steps
        box = at // row, at % row
        window = slice(box[0], box[0] + tall), slice(box[1], box[1] + wide)
        kept.reshape(-1, row)[window] = heat.reshape(-1, row)[window]


def _central(own: Numbers, y: Numbers, x: Numbers) -> Numbers:
    """Of each object the first pixel that is nearest to its mean place, as a place in the list of all pixels."""
    count = np.bincount(own)
    away = (y - (np.bincount(own, y) / count)[own]) ** 2 + (x - (np.bincount(own, x) / count)[own]) ** 2
    nearest = np.full(len(count), np.inf)
    np.minimum.at(nearest, own, away)
    best = np.flatnonzero(away == nearest[own])[::-1]
    found = np.empty(len(count), np.int64)
    found[own[best]] = best
    return found


def _followed(flows: NDArray[np.float32], y: NDArray[Any], x: NDArray[Any], device: Any) -> NDArray[np.float32]:
    """Where pixels end, (2, n): Euler steps along the flow, interpolated between pixels, within the image."""
    size = torch.tensor(flows.shape[1:], device=device).flip(0).float() - 1
    half = torch.clamp(size, min=1) / 2
    field = torch.from_numpy(flows[::-1].copy()).to(device)[None] / half[None, :, None, None]
    place = torch.from_numpy(np.stack([x, y], -1)).to(device).float()[None, None] / half - 1
    for _ in range(STEPS):
        step = torch.nn.functional.grid_sample(field, place, align_corners=True)
        place = torch.clamp(place + step.permute(0, 2, 3, 1), -1, 1)
    ends = ((place[0, 0] + 1) * half).cpu().numpy()
    return ends[:, ::-1].T


def _gathered(ends: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.int32]:
    """The object of each pixel: the seed near which it ends, or 0."""
    places = np.clip((ends + ROUNDING_PX).astype(np.int64), 0, np.array(shape)[:, None] - 1)
    counts = np.zeros(shape, np.int64)
    np.add.at(counts, tuple(places), 1)
    peaks = (counts == ndimage.maximum_filter(counts, WINDOW_PX, mode="constant")) & (counts > PEAK)
    seeds = np.argwhere(peaks)
    # where two grow together the one that fewer pixels reach has it
    seeds = seeds[np.argsort(-counts[tuple(seeds.T)], kind="stable")]
    edge = 2 * GROW + 1
    dense = sliding_window_view(np.pad(counts, GROW), (edge, edge))[tuple(seeds.T)] > GROWN
    grown = np.zeros(dense.shape, bool)
    grown[:, GROW, GROW] = True
    for _ in range(GROW):
        grown = np.asarray(ndimage.binary_dilation(grown, np.ones((1, 3, 3), bool)), bool) & dense
    number, inner_y, inner_x = np.nonzero(grown)
    territory = np.zeros(np.array(shape) + 2 * GROW, np.int32)
    territory[seeds[number, 0] + inner_y, seeds[number, 1] + inner_x] = number + 1
    return territory[GROW:-GROW, GROW:-GROW][tuple(places)]


def _without_wrong_flows(labels: NDArray[np.int32], flows: NDArray[np.float32], threshold: float) -> NDArray[np.int32]:
    numbers = np.unique(labels[labels > 0])
    error = ((flows_of_labels(labels) - flows) ** 2).sum(0)
    wrong = np.zeros(labels.max(initial=0) + 1, bool)
    wrong[numbers] = ndimage.mean(error, labels, numbers) > threshold
    return np.where(wrong[labels], 0, labels)


def _filled(labels: NDArray[np.int32], min_size_px: int) -> NDArray[np.int32]:
    """Objects of enough pixels with their holes filled, numbered 1..n."""
    done, number = np.zeros_like(labels), 0
    for label, found in enumerate(ndimage.find_objects(labels), 1):
        if found is None:
            continue
        own = labels[found] == label
        if own.sum() < max(1, min_size_px):
            continue
        number += 1
        done[found][np.asarray(ndimage.binary_fill_holes(own), bool)] = number
    return _renumbered(done)


def _renumbered(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    present = np.unique(labels[labels > 0])
    return np.where(labels > 0, np.searchsorted(present, labels) + 1, 0).astype(np.int32)
