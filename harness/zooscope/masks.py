"""Masks: the objects of one image, each with a mask of its own, where a label image cannot hold them: they overlap."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Masks:
    """Objects that may overlap, run-length coded; none is without pixels.

    Attributes
    ----------
    shape : (y, x) of the image.
    owner, start, length : (runs,), by owner, then start: runs of pixels and the object that each belongs to. Pixels are
        numbered down the first column, then the second, as in COCO's run lengths.
    area : float64 (objects,), pixels as the source states them: COCO's small, medium and large go by that.
    crowd : (objects,), COCO's `iscrowd`: a region of objects nobody told apart, which neither helps nor hurts.
    """

    shape: tuple[int, int]
    owner: Ints
    start: Ints
    length: Ints
    area: NDArray[np.float64]
    crowd: NDArray[np.bool_]

    @classmethod
    def of_runs(
        cls,
        owner: Ints,
        start: Ints,
        length: Ints,
        *,
        shape: tuple[int, int],
        area: NDArray[np.floating] | None = None,
        crowd: NDArray[np.bool_] | None = None,
    ) -> "Masks":
        """Runs in any order, which may touch and overlap: an object is their union. Objects without any are left out.

        Parameters
        ----------
        area : of each object, NaN or None where it is the number of its pixels.
        """
        step = shape[0] * shape[1] + 1  # no run reaches into the next owner's numbers
        by = np.argsort(owner * step + start, kind="stable")
        by = by[length[by] > 0]
        first = (owner * step + start)[by]
        last = np.maximum.accumulate(first + length[by])
        opens = np.ones(len(by), bool)
        opens[1:] = first[1:] > last[:-1]
        first, last = first[opens], last[np.roll(opens, -1)]
        kept, owners = np.unique(first // step, return_inverse=True)
        count = int(owner.max(initial=-1)) + 1 if area is None else len(area)
        given = np.full(count, np.nan) if area is None else area.astype(np.float64)
        counted = np.bincount(owners, last - first, len(kept))
        return cls(
            shape,
            owners.astype(np.int64),
            first % step,
            last - first,
            np.where(np.isnan(given[kept]), counted, given[kept]),
            np.zeros(len(kept), bool) if crowd is None else crowd[kept],
        )

    @classmethod
    def of_stack(cls, stack: Iterable[NDArray[np.generic]], *, shape: tuple[int, int]) -> "Masks":
        """Of one mask (y, x) an object; what is not 0 belongs to it."""
        owner, start, length = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for number, mask in enumerate(stack):
            edges = np.flatnonzero(np.diff((mask != 0).ravel(order="F").astype(np.int8), prepend=0, append=0))
            start.append(edges[::2])
            length.append(edges[1::2] - edges[::2])
            owner.append(np.full(len(edges) // 2, number))
        return cls.of_runs(np.concatenate(owner), np.concatenate(start), np.concatenate(length), shape=shape)

    def __len__(self) -> int:
        return len(self.area)

    @cached_property
    def pixels(self) -> tuple[Ints, Ints]:
        """Owner and index (into the raveled image, row by row) of every pixel of every object, by owner."""
        before = np.repeat(np.cumsum(self.length) - self.length, self.length)
        down = np.repeat(self.start, self.length) + np.arange(len(before)) - before
        x, y = np.divmod(down, self.shape[0])
        return np.repeat(self.owner, self.length), y * self.shape[1] + x

    @property
    def sizes(self) -> Ints:
        """Pixels of each object."""
        return np.bincount(self.owner, self.length, len(self)).astype(np.int64)

    def boxes(self) -> NDArray[np.float64]:
        """(objects, 4): y0, x0, y1, x1 around each object."""
        if not len(self):
            return np.zeros((0, 4))
        owner, index = self.pixels
        y, x = np.divmod(index, self.shape[1])
        at = np.searchsorted(owner, np.arange(len(self)))
        low, high = ([how.reduceat(axis, at) for axis in (y, x)] for how in (np.minimum, np.maximum))
        return np.stack([*low, high[0] + 1, high[1] + 1], axis=1).astype(np.float64)

    def labels(self, *, least_px: int = 0) -> NDArray[np.int32]:
        """A label image (y, x) of them: object n is label n + 1, smaller ones lie on top, crowds are background.

        Parameters
        ----------
        least_px : objects of which fewer pixels are left then are taken out.
        """
        owner, index = self.pixels
        owner, index = owner[~self.crowd[owner]], index[~self.crowd[owner]]
        rank = np.empty(len(self), np.int64)
        rank[np.argsort(-self.sizes, kind="stable")] = np.arange(len(self))
        order = np.argsort(rank[owner], kind="stable")
        labels = np.zeros(self.shape[0] * self.shape[1], np.int32)
        labels[index[order]] = owner[order] + 1  # of several values for one pixel the last stays
        few = np.bincount(labels, minlength=len(self) + 1) < least_px
        few[0] = False
        labels[few[labels]] = 0
        return labels.reshape(self.shape)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What tells them: everything but the shape, by name."""
        names = ("owner", "start", "length", "area", "crowd")
        return {name: getattr(self, name) for name in names}
