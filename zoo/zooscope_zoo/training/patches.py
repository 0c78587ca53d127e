"""Patches: what one training step sees, drawn and changed by the step's own random numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, default_collate

from zooscope_zoo.training.config import AugmentConfig, TrainingConfig
from zooscope_zoo.training.images import TrainingImage

Targets = Callable[[NDArray[np.int32], NDArray[np.float32]], NDArray[np.float32]]
Batch = tuple[torch.Tensor, torch.Tensor]


class Steps(Dataset[Batch]):
    """Batch number `step`: images (b, c, p, p) and targets (b, t, p / grid, p / grid).

    A batch depends on seed, process and step alone, so a resumed training sees what it would have seen, and the number
    of workers changes nothing.
    """

    def __init__(
        self,
        images: Sequence[TrainingImage],
        targets: Targets,
        training: TrainingConfig,
        augment: AugmentConfig,
        *,
        process: int = 0,
    ) -> None:
        self._images, self._targets = images, targets
        self._training, self._augment, self._process = training, augment, process

    def __len__(self) -> int:
        return self._training.steps

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self._training.seed, self._process, step])
        return stack([self._patch(rng) for _ in range(self._training.batch)])

    def _patch(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        item = self._images[int(rng.integers(len(self._images)))]
        size = self._training.patch_px
        low, high = self._augment.zoom
        cut = max(8, round(size / float(np.exp(rng.uniform(np.log(low), np.log(high))))))
        window = _window(item, cut, rng, on_object=rng.uniform() < self._training.object_fraction)
        image, labels, planes = (_cut(array, window, cut) for array in (item.image, item.labels[None], item.planes))
        if cut != size:
            image, labels, planes = _linear(image, size), _nearest(labels, size), _nearest(planes, size)
        if self._augment.flips:
            image, labels, planes = _turned((image, labels, planes), int(rng.integers(8)))
        image = image * np.float32(rng.uniform(*self._augment.gain)) + np.float32(rng.uniform(*self._augment.offset))
        noise = np.float32(rng.uniform(0, self._augment.noise))
        image = image + noise * rng.standard_normal(image.shape, dtype=np.float32)
        labels = np.ascontiguousarray(labels[0])
        return image.astype(np.float32, copy=False), self._targets(labels, np.ascontiguousarray(planes))


def validation_batches(
    images: Sequence[TrainingImage], targets: Targets, training: TrainingConfig, *, most: int = 96
) -> list[Batch]:
    """Fixed patches, unchanged, around an object: of all validation images, or of so many spread over them."""
    rng = np.random.default_rng(0)
    size, found = training.patch_px, []
    count = min(most, max(2 * len(images), training.batch))
    for index in range(count):
        item = images[index * len(images) // count]
        window = _window(item, size, rng, on_object=True)
        image, labels, planes = (_cut(array, window, size) for array in (item.image, item.labels[None], item.planes))
        found.append((image.astype(np.float32), targets(np.ascontiguousarray(labels[0]), np.ascontiguousarray(planes))))
    return [stack(found[i : i + training.batch]) for i in range(0, len(found), training.batch)]


def stack(pairs: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> Batch:
    """Tensors of a list of patches; a worker stacks them in the memory that it shares with the training."""
    images, targets = default_collate(list(pairs))
    return images, targets


Planes = NDArray[Any]
"""(k, y, x) of any dtype: channels of an image, labels, planes of a method."""


def _window(item: TrainingImage, size: int, rng: np.random.Generator, *, on_object: bool) -> tuple[int, int]:
    """Top left corner of a patch; one that holds an object pixel if `on_object` and there is any."""
    room = [max(0, length - size) for length in item.labels.shape]
    y = x = 0
    for _ in range(8):
        y, x = (int(rng.integers(0, r + 1)) for r in room)
        if not on_object or item.labels[y : y + size, x : x + size].any():
            return y, x
    if not item.objects:
        return y, x
    label, box = item.objects[int(rng.integers(len(item.objects)))]
    places = np.argwhere(item.labels[box] == label) + [part.start for part in box]
    place = places[int(rng.integers(len(places)))]
    y, x = (int(np.clip(p - rng.integers(size), 0, r)) for p, r in zip(place, room, strict=True))
    return y, x


def _cut(array: Planes, window: tuple[int, int], size: int) -> Planes:
    """(k, size, size), continued by reflection where the image is smaller."""
    y, x = window
    part = array[:, y : y + size, x : x + size]
    pad = [(0, size - length) for length in part.shape[1:]]
    return np.pad(part, [(0, 0), *pad], mode="reflect") if part.size and any(p for _, p in pad) else _sized(part, size)


def _sized(part: Planes, size: int) -> Planes:
    return part if part.shape[1:] == (size, size) else np.zeros((part.shape[0], size, size), part.dtype)


def _linear(array: Planes, size: int) -> NDArray[np.float32]:
    """(k, y, x) brought to (k, size, size) by linear interpolation between pixels' middles."""
    planes = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))[None]
    if not array.size:
        return np.zeros((array.shape[0], size, size), np.float32)
    return torch.nn.functional.interpolate(planes, (size, size), mode="bilinear", align_corners=False)[0].numpy()


def _nearest(labels: Planes, size: int) -> Planes:
    """(k, y, x) brought to (k, size, size), each pixel from the one that its middle falls in."""
    cut = labels.shape[1]
    places = ((np.arange(size) + 0.5) * cut / size).astype(np.intp)
    return labels.take(places, axis=1).take(places, axis=2)


def _turned(arrays: tuple[Planes, ...], which: int) -> tuple[Planes, ...]:
    """One of the eight flips and rotations, the same for all."""
    turned = (np.rot90(array, which % 4, axes=(1, 2)) for array in arrays)
    return tuple(array[:, ::-1] if which >= 4 else array for array in turned)
