"""Decoding by blocks: the labels of a whole image from parts of its maps, for images too large for memory.

A decoder's module may offer one of two ways:

- `support(maps, **params)`: the pixels (y, x) that can belong to objects. What lies in different 8-connected parts of
  it must not depend on each other, nor on values outside; then `decode` is run on each part by itself, with -inf in the
  first channel outside of it.
- `collect(maps, *, at, size, grid, **params)`, what is needed of a tile, and `finish(tiles, shape, canvas, **params)`,
  which writes the labels and gives their number and what `decode` tells of each object.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from zooscope.errors import PackageError

BLOCK_PX = 2048
WINDOW_PX = 6144**2
"""The largest part that is decoded at once: a block with all that hangs together with what begins in it."""

_EIGHT = np.ones((3, 3), bool)

Read = Callable[[slice, slice], NDArray[np.float32]]
Box = tuple[slice, slice]


def decode_in_parts(decoder: Any, read: Read, shape: tuple[int, int], canvas: Any, params: Mapping[str, Any]) -> int:
    """Decode an image's maps part by part; the labels are those of the whole image, numbered otherwise.

    Parameters
    ----------
    decoder : a module with `support` and `decode`.
    read : maps (c, y, x) of a part of the image, on its own grid.
    canvas : int32 (y, x), zeros, cut and written by slices.

    Returns
    -------
    How many objects.

    Raises
    ------
    PackageError : a part of the support that is larger than `WINDOW_PX`.
    """
    parts = _connected(lambda y, x: decoder.support(read(y, x), **params), shape)
    count = 0
    for first, last in parts.blocks:
        own = slice(first, last)
        if first == last:
            continue
        (top, left), (bottom, right) = parts.begin[own].min(axis=0), parts.end[own].max(axis=0)
        if (bottom - top) * (right - left) > WINDOW_PX:
            raise PackageError(
                f"the image is too large for it: what its decoder sees as one clump spans {bottom - top} x "
                f"{right - left} px"
            )
        y, x = slice(int(top), int(bottom)), slice(int(left), int(right))
        maps = read(y, x).copy()
        found, pieces = _label(decoder.support(maps, **params))
        wanted = np.zeros(pieces + 1, bool)
        wanted[found[tuple((parts.pixel[own] - (top, left)).T)]] = True
        maps[0][~wanted[found]] = -np.inf
        labels, _ = decoder.decode(maps, maps.shape[1:], **params)
        painted = canvas[y, x]
        canvas[y, x] = np.where(labels > 0, labels + count, painted)
        count += int(labels.max(initial=0))
    return count


class _Parts:
    """The connected parts of a mask, in the order of the blocks where their first pixel lies.

    Attributes
    ----------
    begin, end, pixel : (parts, 2): corners of their boxes (y, x) and one of their pixels.
    blocks : for each block, its parts as first and last + 1.
    """

    def __init__(
        self,
        begin: NDArray[np.int64],
        end: NDArray[np.int64],
        pixel: NDArray[np.int64],
        pairs: NDArray[np.int64],
        starts: list[int],
    ) -> None:
        count = len(begin)
        ones = np.ones(len(pairs), bool)
        graph = sparse.coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
        groups, of = csgraph.connected_components(graph, directed=False)
        _, first = np.unique(of, return_index=True)  # a part belongs to the block of its first piece
        order = np.argsort(first)
        rank = np.empty(groups, np.int64)
        rank[order] = np.arange(groups)
        of, first = rank[of], first[order]
        self.begin, self.end = np.full((groups, 2), np.iinfo(np.int64).max), np.zeros((groups, 2), np.int64)
        np.minimum.at(self.begin, of, begin)
        np.maximum.at(self.end, of, end)
        self.pixel = pixel[first]
        edges = [*(int(n) for n in np.searchsorted(first, starts)), groups]
        self.blocks = list(itertools.pairwise(edges))


def _connected(mask: Callable[[slice, slice], NDArray[np.bool_]], shape: tuple[int, int]) -> _Parts:
    """Label a mask block by block, and join what touches across their borders."""
    none = np.zeros((0, 2), np.int64)
    begin, end, pixel, pairs = ([none] for _ in range(4))
    starts, count = list[int](), 0
    above = np.zeros(shape[1] + 2, np.int64)  # the last row of the blocks above; ids count from 1, 0 is no part
    for y in _steps(shape[0]):
        below, left = np.zeros_like(above), np.zeros(y.stop - y.start + 2, np.int64)
        for x in _steps(shape[1]):
            starts.append(count)
            found, n = _label(mask(y, x))
            ids = np.where(found > 0, found.astype(np.int64) + count, 0)
            origin = np.array([y.start, x.start])
            boxes = [[[part.start, part.stop] for part in box] for box in ndimage.find_objects(found)]
            corners = np.array(boxes, np.int64).reshape(-1, 2, 2)
            begin.append(corners[:, :, 0] + origin)
            end.append(corners[:, :, 1] + origin)
            _, first = np.unique(found[found > 0], return_index=True)
            pixel.append(np.argwhere(found)[first] + origin)
            top, side = ids[0], ids[:, 0]
            for shift in range(3):
                pairs.append(_touching(top, above[x.start + shift : x.stop + shift]))
                pairs.append(_touching(side, left[shift : shift + len(side)]))
            below[x.start + 1 : x.stop + 1] = ids[-1]
            left[1:-1] = ids[:, -1]
            count += n
        above = below
    joined = np.concatenate(pairs)
    return _Parts(np.concatenate(begin), np.concatenate(end), np.concatenate(pixel), joined - 1, starts)


def _label(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    found: Any = ndimage.label(mask, _EIGHT)
    return found[0], int(found[1])


def _touching(one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.int64]:
    both = (one > 0) & (two > 0)
    return np.unique(np.stack([one[both], two[both]], axis=1), axis=0)


def _steps(length: int) -> list[slice]:
    return [slice(begin, min(length, begin + BLOCK_PX)) for begin in range(0, length, BLOCK_PX)]
