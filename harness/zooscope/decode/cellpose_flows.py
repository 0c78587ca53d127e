"""cellpose-flows: pixels that follow their flow to the same place are one object."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import resize

VERSION = 1
SEARCH: dict[str, tuple[Any, ...]] = {
    "cellprob_threshold": (-2.0, -1.0, 0.0, 1.0, 2.0),
    "flow_threshold": (0.2, 0.4, 0.8, 0.0),
}

FLOW_SCALE = 5.0
"""Cellpose's networks answer with five times the unit flow."""

STEPS = 200
PEAK, WINDOW_PX = 10, 5
"""A seed is where more pixels than this end, and no place within two pixels has more of them."""

GROW, GROWN = 5, 2
"""Seeds take in what touches them, pixel by pixel, this many times, where more pixels than this end."""

MAX_FRACTION = 0.4
"""No object is larger than this share of the image."""


def decode(
    maps: NDArray[np.float32],
    shape: tuple[int, int],
    *,
    cellprob_threshold: float = 0.0,
    flow_threshold: float = 0.4,
    min_size_px: int = 15,
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.generic]]]:
    """Follow the flows, gather pixels by where they end, drop objects whose flows are not those of their shape.

    Stringer et al. 2021, doi:10.1038/s41592-020-01018-x; the constants are those of Cellpose 3.1.

    Parameters
    ----------
    maps : (3, y, x): flow along y, flow along x, logit of being inside a cell. Scaled to `shape` if of another size;
        what comes after the three is not looked at.
    shape : (y, x) of the image.
    flow_threshold : largest mean squared difference of an object's flows from those that its shape gives; 0 keeps all.

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
        labels[y, x] = _gathered(_followed(flows * inside, y, x), shape)
        sizes = np.bincount(labels.ravel())
        labels[(sizes > MAX_FRACTION * labels.size)[labels] & (labels > 0)] = 0
        if flow_threshold > 0:
            labels = _without_wrong_flows(labels, flows, flow_threshold)
    labels = _filled(labels, min_size_px)
    probability = 1 / (1 + np.exp(-maps[2].astype(np.float64)))
    scores = ndimage.mean(probability, labels, np.arange(1, labels.max(initial=0) + 1))
    return labels, {"score": np.asarray(scores, np.float32)}


def flows_of_labels(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Unit flows (2, y, x) that a shape gives: up the gradient of heat that spreads from each object's centre."""
    padded = np.pad(labels, 1)
    y, x = np.nonzero(padded)
    flows = np.zeros((2, *padded.shape), np.float64)
    if len(y) == 0:
        return flows[:, 1:-1, 1:-1].astype(np.float32)
    width = padded.shape[1]
    own, flat = y * width + x, padded.ravel()
    around = np.array([dy * width + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    near = own[None] + around[:, None]
    same = flat[near] == flat[own][None]
    centres, steps = _centres(padded)
    # what flows is numbered, so that a step is one gather; the last number is all that is no object, always cold
    number = np.full(padded.size, len(own))
    number[own] = np.arange(len(own))
    neighbours, sources = torch.from_numpy(np.where(same, number[near], len(own))), torch.from_numpy(number[centres])
    heat = torch.zeros(len(own) + 1, dtype=torch.float64)
    warm = np.zeros(len(own) + 1)
    pixel_steps = steps[flat[own]]
    for step in range(1, int(pixel_steps.max()) + 1):
        heat[sources] += 1
        heat[:-1] = heat[neighbours].sum(0) / len(around)
        done = np.flatnonzero(pixel_steps == step)  # heat spreads in each object as long as its size says
        warm[done] = heat.numpy()[done]
    above, left, right, below = (warm[neighbours[place].numpy()] for place in (1, 3, 5, 7))
    flows[0, y, x], flows[1, y, x] = below - above, right - left
    flows /= np.hypot(flows[0], flows[1]) + 1e-60
    return flows[:, 1:-1, 1:-1].astype(np.float32)


def _followed(flows: NDArray[np.float32], y: NDArray[Any], x: NDArray[Any]) -> NDArray[np.float32]:
    """Where pixels end, (2, n): Euler steps along the flow, interpolated between pixels, within the image."""
    size = torch.tensor(flows.shape[1:]).flip(0).float() - 1
    half = torch.clamp(size, min=1) / 2
    field = torch.from_numpy(flows[::-1].copy())[None] / half[None, :, None, None]
    place = torch.from_numpy(np.stack([x, y], -1)).float()[None, None] / half - 1
    for _ in range(STEPS):
        step = torch.nn.functional.grid_sample(field, place, align_corners=True)
        place = torch.clamp(place + step.permute(0, 2, 3, 1), -1, 1)
    ends = ((place[0, 0] + 1) * half).numpy()
    return ends[:, ::-1].T


def _gathered(ends: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.int32]:
    """The object of each pixel: the seed near which it ends, or 0."""
    places = np.clip(ends.astype(np.int64), 0, np.array(shape)[:, None] - 1)
    counts = np.zeros(shape, np.int64)
    np.add.at(counts, tuple(places), 1)
    peaks = (counts == ndimage.maximum_filter(counts, WINDOW_PX, mode="constant")) & (counts > PEAK)
    seeds = np.argwhere(peaks)
    # where two grow together the one that fewer pixels reach has it
    seeds = seeds[np.argsort(-counts[tuple(seeds.T)], kind="stable")]
    padded = np.pad(counts, GROW)
    territory = np.zeros(padded.shape, np.int32)
    square = np.ones((3, 3), bool)
    for number, (y, x) in enumerate(seeds, 1):
        window = slice(y, y + 2 * GROW + 1), slice(x, x + 2 * GROW + 1)
        dense, grown = padded[window] > GROWN, np.zeros((2 * GROW + 1, 2 * GROW + 1), bool)
        grown[GROW, GROW] = True
        for _ in range(GROW):
            grown = np.asarray(ndimage.binary_dilation(grown, square), bool) & dense
        territory[window][grown] = number
    return territory[GROW:-GROW, GROW:-GROW][tuple(places)]


def _centres(labels: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each object the pixel nearest to its mean place, as an index; and, by label, how many steps its heat takes."""
    centres, steps = list[int](), np.zeros(labels.max() + 1, np.int64)
    for number, found in enumerate(ndimage.find_objects(labels), 1):
        if found is None:
            continue
        y, x = np.nonzero(labels[found] == number)
        best = np.argmin((y - y.mean()) ** 2 + (x - x.mean()) ** 2)
        centres.append(int((y[best] + found[0].start) * labels.shape[1] + x[best] + found[1].start))
        steps[number] = 2 * sum(side.stop - side.start + 2 for side in found)
    return np.array(centres), steps


def _without_wrong_flows(labels: NDArray[np.int32], flows: NDArray[np.float32], threshold: float) -> NDArray[np.int32]:
    numbers = np.arange(labels.max(initial=0) + 1)
    error = ((flows_of_labels(labels) - flows) ** 2).sum(0)
    wrong = ndimage.mean(error, labels, numbers) > threshold
    wrong[0] = False
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
