"""Resampling: images enlarged or shrunk without aliasing, labels brought to another size with smooth outlines."""

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse


def scaled_shape(shape: tuple[int, ...], factor: float) -> tuple[int, ...]:
    """Shape (y, x) or (y, x, c) of an image enlarged `factor` times; each edge at least a pixel."""
    y, x = (max(1, round(length * factor)) for length in shape[:2])
    return (y, x, *shape[2:])


def scaled_image(image: xr.DataArray, factor: float) -> xr.DataArray:
    """An image (y, x) or (y, x, c) enlarged `factor` times, float32; itself for a factor of 1.

    Linear between the middles of pixels; where it shrinks, weighted by a triangle as wide as two of the new pixels, so
    that nothing finer than those is left to alias.
    """
    shape = scaled_shape(image.shape, factor)
    if shape == image.shape:
        return image
    rows, columns = (_weights(old, new) for old, new in zip(image.shape[:2], shape[:2], strict=True))
    values = image.values.astype(np.float32)
    planes = np.moveaxis(values, -1, 0) if values.ndim == 3 else values[None]
    found = np.stack([(columns @ (rows @ plane).T).T for plane in planes], axis=-1)
    return xr.DataArray(np.ascontiguousarray(found.reshape(shape), np.float32), dims=image.dims)


def scaled_labels(
    labels: NDArray[np.int32], objects: Mapping[str, NDArray[np.generic]], shape: tuple[int, ...]
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.generic]]]:
    """Labels (y, x) numbered 1..n brought to `shape`, numbered anew where an object vanished, with their objects.

    Each pixel goes to the label that has most of the linear weights of the four pixels around its place: the outline of
    an object lies where linear interpolation of its mask passes a half.
    """
    if labels.shape == shape:
        return labels, dict(objects)
    (top, down), (left, right) = (_neighbours(old, new) for old, new in zip(labels.shape, shape, strict=True))
    corners = [labels[y[:, None], x] for y in (top[0], down[0]) for x in (left[0], right[0])]
    weights = [y[:, None] * x for y in (top[1], down[1]) for x in (left[1], right[1])]
    best, found = np.full(shape, -1.0, np.float32), np.zeros(shape, np.int32)
    for corner in corners:
        votes = sum(weight * (other == corner) for weight, other in zip(weights, corners, strict=True))
        ahead = votes > best
        best, found = np.where(ahead, votes, best), np.where(ahead, corner, found)
    there = np.bincount(found.ravel(), minlength=int(labels.max(initial=0)) + 1)[1:] > 0
    numbers = np.concatenate([[0], np.where(there, np.cumsum(there), 0)]).astype(np.int32)
    return numbers[found], {name: column[there] for name, column in objects.items()}


def _weights(old: int, new: int) -> sparse.csr_array:
    """(new, old): how much each old pixel of a line gives to each new one."""
    step = old / new
    reach = max(1.0, step)
    middles = (np.arange(new) + 0.5) * step - 0.5
    offsets = np.arange(2 * math.ceil(reach) + 1)
    places = np.floor(middles - reach).astype(np.intp)[:, None] + offsets
    inside = (places >= 0) & (places < old)
    weights = np.maximum(0, 1 - np.abs(places - middles[:, None]) / reach) * inside
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    lines = np.broadcast_to(np.arange(new)[:, None], places.shape)
    return sparse.csr_array((weights[inside], (lines[inside], places[inside])), shape=(new, old))


def _neighbours(old: int, new: int) -> tuple[tuple[NDArray[np.intp], NDArray[np.float32]], ...]:
    """The old pixels before and after the middle of each new one, and their linear weights."""
    middles = ((np.arange(new) + 0.5) * old / new - 0.5).clip(0, old - 1)
    before = np.floor(middles).astype(np.intp)
    part = (middles - before).astype(np.float32)
    return (before, 1 - part), (np.minimum(before + 1, old - 1), part)
