"""The noise model of data sets: of the noise that their cards state, else of their pairs of images."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.errors import UsageError
from zooscope.sample import Task
from zooscope_zoo.nn.noise_model import GaussianMixture
from zooscope_zoo.noise_models.fit import fit_mixture, known_mixture

Part = tuple[Dataset, Sequence[str]]
"""A data set, and which of its images."""

Image = NDArray[np.float32]


def data_mixtures(
    data: Sequence[Part], *, channels: int = 1, components: int = 3, degree: int = 2, say: Callable[[str], None]
) -> list[GaussianMixture]:
    """A noise model for each channel, valid over the range of the clean images.

    Raises
    ------
    UsageError : a data set without clean images, or with structured noise beside others.
    """
    pairs = [pair for part in data for pair in _pairs(*part, channels=channels)]
    stated = [item.card.noise if item.card.blur is None else None for item, _ in data]
    noise = stated[0] if all(other == stated[0] for other in stated) else None
    models: list[GaussianMixture] = []
    for channel in range(channels):
        observed, signal = (
            np.concatenate([images[channel].ravel() for images in each]) for each in zip(*pairs, strict=True)
        )
        if noise:
            low, high = float(signal.min()), float(signal.max())
            models.append(known_mixture(noise, low=low, high=high, components=components, degree=degree))
        else:
            models.append(fit_mixture(observed, signal, components=components, degree=degree))
    names = ", ".join(item.name for item, _ in data)
    source = f"as the card states ({noise.kind})" if noise else f"fitted to {len(pairs)} pairs of images"
    say(f"noise model of {names}: {source}, for signals from {models[0].low:g} to {models[0].high:g}")
    return models


def dataset_pixels(data: Dataset, ids: Sequence[str]) -> tuple[Image, Image]:
    """Observed values and signals (n,) of a data set's images as gray ones; UsageError where there are none clean."""
    observed, signal = zip(*_pairs(data, ids, channels=1), strict=True)
    return np.concatenate([image.ravel() for image in observed]), np.concatenate([image.ravel() for image in signal])


def _pairs(data: Dataset, ids: Sequence[str], *, channels: int) -> list[tuple[Image, Image]]:
    """Noisy and clean images (c, y, x)."""
    if data.card.task is not Task.RESTORATION or {data.table.loc[id, "split"] for id in ids} & set(
        data.card.without_truth
    ):
        raise UsageError(
            f"data set '{data.card.id}' has no clean images to learn its noise from: give network.noise_model=FILE; "
            "zooscope noise-model fit makes one of a calibration stack, or of images that another method has denoised"
        )
    found: list[tuple[Image, Image]] = []
    for id in ids:
        sample = data[id]
        clean = sample.image.copy(data=sample.target)
        noisy, clean = (to_channels(image, channels).astype(np.float32) for image in (sample.image, clean))
        found.append((noisy, clean))
    return found
