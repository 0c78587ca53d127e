"""Normalisation by the training set: each channel minus its mean, over its deviation; undone in the package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Normalisation:
    """Means and standard deviations of each channel, of the images and of their targets, in the images' own units."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    target_mean: tuple[float, ...]
    target_std: tuple[float, ...]

    def of(self, image: Image) -> "Normalisation":
        """The scaling of an image, the same of all."""
        return self

    def image(self, image: Image) -> Image:
        """(c, y, x), or (c, z, y, x), as the network takes it."""
        return _scaled(image, self.mean, self.std)

    def target(self, target: Image) -> Image:
        """(c, y, x), or (c, z, y, x), as the network gives it."""
        return _scaled(target, self.target_mean, self.target_std)

    def undone(self, maps: NDArray[np.float32], *, intensities: int | None = None) -> NDArray[np.float32]:
        """Maps (b, c, y, x), or (b, c, z, y, x), of a network in the targets' units; see `gain_and_offset`."""
        figures = self.gain_and_offset(maps.shape[1], intensities=intensities)
        gain, offset = (_along_channels(values, maps.ndim - 2) for values in figures)
        return (maps * gain + offset).astype(np.float32)

    def gain_and_offset(self, count: int, *, intensities: int | None = None) -> tuple[list[float], list[float]]:
        """What undoes it, for each of so many maps, which are all channels of an image in turn.

        Of those beyond `intensities` (by default the image's channels) zero stays zero: they are deviations.
        """
        channels = len(self.target_std)
        intensities = intensities or channels
        means = [*self.target_mean] * (intensities // channels)
        return [*self.target_std] * (count // channels), [*means, *[0.0] * (count - intensities)]

    def as_json(self) -> dict[str, list[float]]:
        """For a run's `about.json`."""
        return {name: list(getattr(self, name)) for name in ("mean", "std", "target_mean", "target_std")}


def from_json(values: Mapping[str, Any]) -> Normalisation:
    """What `as_json` gave."""
    return Normalisation(**{name: tuple(found) for name, found in values.items()})


def measure_normalisation(images: Sequence[Image], targets: Sequence[Image] = ()) -> Normalisation:
    """Of images (c, y, x) or volumes; targets of no own kind (other noisy images) are scaled as the images are.

    The figures are rounded to six digits, so that a package can state them.
    """
    mean, std = _figures(images)
    target_mean, target_std = _figures(targets) if targets else (mean, std)
    return Normalisation(mean, std, target_mean, target_std)


def measure_deviation(images: Sequence[Image]) -> Normalisation:
    """Of images (c, y, x) or volumes whose zero stays zero; targets are scaled as the images are."""
    _, std = _figures(images)
    zero = (0.0,) * len(std)
    return Normalisation(zero, std, zero, std)


def _figures(images: Sequence[Image]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    count = sum(image[0].size for image in images)
    within = tuple(range(1, images[0].ndim))
    mean = np.sum([image.sum(within, dtype=np.float64) for image in images], axis=0) / count
    away = [(image - mean.reshape(-1, *(1 for _ in within))) ** 2 for image in images]
    std = [value or 1.0 for value in np.sqrt(np.sum([square.sum(within) for square in away], axis=0) / count)]
    return tuple(float(f"{value:.6g}") for value in mean), tuple(float(f"{value:.6g}") for value in std)


def _scaled(image: Image, mean: Sequence[float], std: Sequence[float]) -> Image:
    low, scale = (_along_channels(values, image.ndim - 1) for values in (mean, std))
    return (image - low) / scale


def _along_channels(values: Sequence[float], dimensions: int) -> NDArray[np.float32]:
    """A value for each channel, before so many dimensions of space."""
    return np.array(values, np.float32).reshape(-1, *(1,) * dimensions)
