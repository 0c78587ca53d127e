"""Patches: what one training step sees, drawn and changed by the step's own random numbers."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, default_collate

from zooscope_zoo.training.config import TrainingConfig

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]
"""An image's patch (c, p, p) and its target (t, p / grid, p / grid); of a volume (c, z, p, p) and (t, z, p, p)."""

Batch = tuple[torch.Tensor, torch.Tensor]


class Patches(Protocol):
    """Where patches are cut from: the images of one task."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def drawn(self, rng: np.random.Generator) -> Pair:
        """A patch at random, changed at random."""
        ...

    def fixed(self, index: int, rng: np.random.Generator) -> Pair:
        """A patch of that image as it is, to validate on."""
        ...


class Steps(Dataset[Batch]):
    """Batch number `step`: images (b, c, p, p) and targets (b, t, p / grid, p / grid).

    A batch depends on seed, process and step alone, so a resumed training sees what it would have seen, and the number
    of workers changes nothing.
    """

    def __init__(self, patches: Patches, training: TrainingConfig, *, process: int = 0) -> None:
        self._patches, self._training, self._process = patches, training, process

    def __len__(self) -> int:
        return self._training.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self._training.seed, self._process, step])
        return stack([self._patches.drawn(rng) for _ in range(self._training.batch)])


def validation_batches(patches: Patches, training: TrainingConfig, *, most: int = 96) -> list[Batch]:
    """Fixed patches, unchanged: of all validation images, or of so many spread over them."""
    rng = np.random.default_rng(0)
    count = min(most, max(2 * len(patches), training.batch))
    found = [patches.fixed(index * len(patches) // count, rng) for index in range(count)]
    return [stack(found[i : i + training.batch]) for i in range(0, len(found), training.batch)]


def stack(pairs: Sequence[Pair]) -> Batch:
    """Tensors of a list of patches; a worker stacks them in the memory that it shares with the training."""
    images, targets = default_collate(list(pairs))
    return images, targets


Planes = NDArray[Any]
"""(k, y, x), or (k, z, y, x), of any dtype: channels of an image, labels, planes of a method."""


def cut(array: Planes, window: Sequence[int], size: int | Sequence[int]) -> Planes:
    """(k, *size) from a corner on, continued by reflection where the image is smaller; one number for a square."""
    sizes = (size, size) if isinstance(size, int) else tuple(size)
    part = array[(slice(None), *(slice(at, at + length) for at, length in zip(window, sizes, strict=True)))]
    if not part.size:  # an image may have no planes at all
        return np.zeros((part.shape[0], *sizes), part.dtype)
    pad = [(0, wanted - length) for wanted, length in zip(sizes, part.shape[1:], strict=True)]
    return np.pad(part, [(0, 0), *pad], mode="reflect") if any(p for _, p in pad) else part


def turned(arrays: tuple[Planes, ...], which: int) -> tuple[Planes, ...]:
    """One of the eight flips and rotations in y and x, the same for all."""
    found = (np.rot90(array, which % 4, axes=(-2, -1)) for array in arrays)
    return tuple(array[..., ::-1, :] if which >= 4 else array for array in found)
