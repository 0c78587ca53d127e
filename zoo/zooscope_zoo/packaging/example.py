"""The example image of a package: for its test tensors and its cover. From the embedded demo set, which is CC0.

What restores gets it under noise and in the range of the images that it was trained on; what takes volumes, as a stack
through whose planes the image comes into view and leaves it again.
"""

from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope.channels import to_channels
from zooscope.data import load_dataset
from zooscope.data.noise import Gaussian, add_noise
from zooscope.sample import Sample
from zooscope_zoo.packaging.trained import Trained
from zooscope_zoo.training.images import normalise
from zooscope_zoo.training.normalisation import Normalisation
from zooscope_zoo.training.own_percentiles import AnyNormalisation

EDGE_PX = 256
VOLUME_PX = {"z": 16, "y": 96, "x": 96}
"""Of a volume, whose test tensors would else be large."""

NOISE = 0.3
"""Standard deviation of the example's noise, in those of the training images."""


def example(trained: Trained) -> Sample:
    """The demo image with the most objects of those that are gray, or RGB for a network that takes RGB."""
    axes = "yxc" if trained.settings.channels == 3 else "yx"
    fitting = [sample for sample in load_dataset("demo") if sample.axes == axes]
    found = max(fitting, key=lambda sample: (len(np.unique(sample.target)), sample.id))
    return found if trained.normalisation is None else _noised(found, trained.normalisation, trained.space)


def example_input(sample: Sample, trained: Trained) -> NDArray[np.float32]:
    """Its upper left corner as a batch (1, c, y, x), in its own range; about 256 px, a size that the network takes.

    Of a volume (1, c, z, y, x), smaller.
    """
    image = to_channels(sample.image, trained.settings.channels).astype(np.float32)
    most = VOLUME_PX if trained.space == "zyx" else {"y": EDGE_PX, "x": EDGE_PX}
    sizes = [trained.sizes_of(axis).at_most(most[axis]) for axis in trained.space]
    image = image[(slice(None), *(slice(size) for size in sizes))]
    pads = [(0, size - length) for size, length in zip(sizes, image.shape[1:], strict=True)]
    return np.pad(image, [(0, 0), *pads], mode="reflect")[None]


def example_ready(raw: NDArray[np.float32], trained: Trained) -> NDArray[np.float32]:
    """A batch (1, c, y, x) normalised as the package's own preprocessing does."""
    if trained.normalisation:
        return trained.normalisation.of(raw[0]).image(raw[0])[None]
    return normalise(raw[0], trained.object_percentiles)[None]


def _noised(sample: Sample, normalisation: AnyNormalisation, space: str) -> Sample:
    """The image under noise; its target is that without noise.

    It has the training images' mean and deviation, but its own where the network takes any.
    """
    values = sample.image.values.astype(np.float32)
    mean, std = values.mean(), values.std()
    if isinstance(normalisation, Normalisation):
        mean, std = (np.float32(np.mean(figures)) for figures in (normalisation.mean, normalisation.std))
    clean = mean + std * (values - values.mean()) / values.std()
    if space == "zyx":
        return _noised_volume(sample, clean, mean, std)
    planes = clean[..., None] if clean.ndim == 2 else clean
    noise = _noise(std)
    noisy = [add_noise(planes[..., c], noise, seed=f"example {c}") for c in range(planes.shape[-1])]
    image = sample.image.copy(data=np.stack(noisy, axis=-1).reshape(clean.shape))
    return replace(sample, image=image, target=clean.astype(np.float32))


def _noised_volume(sample: Sample, clean: NDArray[np.float32], mean: np.float32, std: np.float32) -> Sample:
    """A stack (z, y, x) of the image, brightest in its middle plane, and the same under noise."""
    count = VOLUME_PX["z"]
    light = 1 - np.abs(np.arange(count, dtype=np.float32) - count // 2) / count
    truth = (mean + light[:, None, None] * (clean - mean)).astype(np.float32)
    noisy = np.stack([add_noise(plane, _noise(std), seed=f"example plane {z}") for z, plane in enumerate(truth)])
    return replace(sample, image=xr.DataArray(noisy.astype(np.float32), dims=("z", "y", "x")), target=truth)


def _noise(std: np.float32) -> Gaussian:
    return Gaussian(kind="gaussian", sigma=float(NOISE * std))
