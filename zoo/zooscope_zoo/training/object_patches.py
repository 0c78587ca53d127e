"""Patches of images with objects: around an object mostly, flipped, rotated, zoomed, brightened, with its targets."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from zooscope_zoo.training.config import AugmentConfig, TrainingConfig
from zooscope_zoo.training.images import TrainingImage
from zooscope_zoo.training.patches import Pair, Planes, cut, turned

Targets = Callable[[NDArray[np.int32], NDArray[np.float32]], NDArray[np.float32]]


class ObjectPatches:
    """Patches (c, p, p) and a method's targets of them.

    Parameters
    ----------
    targets : labels (y, x) and a method's planes (k, y, x) of a patch -> its targets.
    """

    def __init__(
        self, images: Sequence[TrainingImage], targets: Targets, training: TrainingConfig, augment: AugmentConfig
    ) -> None:
        self._images, self._targets = images, targets
        self._labelled = [item for item in images if item.labelled]
        self._unlabelled = [item for item in images if not item.labelled]
        self._training, self._augment = training, augment

    def __len__(self) -> int:
        return len(self._images)

    def drawn(self, rng: np.random.Generator) -> Pair:
        """A patch at random, changed at random."""
        item = self._image(rng)
        low, high = self._augment.zoom
        zoom = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        image, labels, planes = self._cut(item, zoom, rng, on_object=rng.uniform() < self._training.object_fraction)
        if self._augment.flips:
            image, labels, planes = turned((image, labels, planes), int(rng.integers(8)))
        image = image * np.float32(rng.uniform(*self._augment.gain)) + np.float32(rng.uniform(*self._augment.offset))
        noise = np.float32(rng.uniform(0, self._augment.noise))
        image = image + noise * rng.standard_normal(image.shape, dtype=np.float32)
        return self._with_targets(image, labels, planes)

    def _image(self, rng: np.random.Generator) -> TrainingImage:
        images = self._images
        if self._labelled and self._unlabelled:
            images = self._labelled if rng.uniform() < self._training.labelled_fraction else self._unlabelled
        return _one(images, rng)

    def fixed(self, index: int, rng: np.random.Generator) -> Pair:
        """A patch of that image, around an object, unchanged but for the size of its objects."""
        return self._with_targets(*self._cut(self._images[index], 1.0, rng, on_object=True))

    def _cut(
        self, item: TrainingImage, zoom: float, rng: np.random.Generator, *, on_object: bool
    ) -> tuple[Planes, ...]:
        """Image, labels (1, p, p) and planes of a window, enlarged `zoom` times beyond the objects' common size."""
        size = self._training.patch_px
        edge = max(8, round(size / (zoom * item.scale_to(self._augment.diameter_px))))
        window = _window(item, edge, rng, on_object=on_object)
        image, labels, planes = (cut(array, window, edge) for array in (item.image, item.labels[None], item.planes))
        if edge == size:
            return image, labels, planes
        return _linear(image, size), _nearest(labels, size), _nearest(planes, size)

    def _with_targets(self, image: Planes, labels: Planes, planes: Planes) -> Pair:
        labels = np.ascontiguousarray(labels[0])
        return image.astype(np.float32, copy=False), self._targets(labels, np.ascontiguousarray(planes))


def labelled_squares(images: Sequence[TrainingImage], edge: int, *, seed: int) -> list[TrainingImage]:
    """The images; of those with labels only a square around an object, the same for the same seed and image.

    Scaled with their whole image, as every patch is. A shorter image stays as long as it is.
    """
    return [_square(item, edge, seed) if item.labelled else item for item in images]


def _square(item: TrainingImage, edge: int, seed: int) -> TrainingImage:
    digest = hashlib.sha256(f"square:{seed}:{item.id}".encode()).digest()
    y, x = _window(item, edge, np.random.default_rng(list(digest)), on_object=True)
    part = np.s_[..., y : y + edge, x : x + edge]
    image, labels, planes = (np.ascontiguousarray(array[part]) for array in (item.image, item.labels, item.planes))
    return replace(item, image=image, labels=labels, planes=planes)


def _one(images: Sequence[TrainingImage], rng: np.random.Generator) -> TrainingImage:
    """One of the images, each as often as its weight says."""
    weights = [item.weight for item in images]
    if len(set(weights)) == 1:
        return images[int(rng.integers(len(images)))]
    ends = np.cumsum(weights)
    return images[int(np.searchsorted(ends, rng.uniform(0, ends[-1]), side="right"))]


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


def _linear(array: Planes, size: int) -> NDArray[np.float32]:
    """(k, y, x) brought to (k, size, size) as `zooscope.resampling` does it to images to predict."""
    planes = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))[None]
    if not array.size:
        return np.zeros((array.shape[0], size, size), np.float32)
    found = torch.nn.functional.interpolate(
        planes, (size, size), mode="bilinear", align_corners=False, antialias=array.shape[-1] > size
    )
    return found[0].numpy()


def _nearest(labels: Planes, size: int) -> Planes:
    """(k, y, x) brought to (k, size, size), each pixel from the one that its middle falls in."""
    cut = labels.shape[1]
    places = ((np.arange(size) + 0.5) * cut / size).astype(np.intp)
    return labels.take(places, axis=1).take(places, axis=2)
