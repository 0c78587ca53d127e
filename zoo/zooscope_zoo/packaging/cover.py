"""The cover: an image beside what the package finds in it."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from zooscope.decode import restores
from zooscope.model import load_model
from zooscope.report.overlays import overlay
from zooscope.report.pictures import as_rgb
from zooscope.sample import Sample

MAX_BYTES = 450_000
"""The spec takes no cover above 500 KB."""


def cover_png(package: Path, sample: Sample, decoder: str, params: dict[str, Any]) -> bytes:
    """A PNG twice as wide as high: a square of the image, and beside it what was found, or the restored image.

    Of a volume its middle plane.
    """
    model = load_model(package, device="cpu", decoder=decoder)
    found = model.predict(sample.image.values, sample.axes, **params)
    image, truth = sample.image, sample.target
    if sample.axes == "zyx":
        middle = len(truth) // 2
        image, truth, found = image[middle], truth[middle], found[middle]
    edge = min(truth.shape[:2])
    image, truth, found = image[:edge, :edge], truth[:edge, :edge], found[:edge, :edge]
    if restores(model.package, decoder):
        left, right = _as_gray(image.values, truth), _as_gray(found, truth)
    else:
        left, right = as_rgb(image), overlay(image, found, truth)
    factor = right.shape[0] // left.shape[0]
    picture = np.concatenate([np.repeat(np.repeat(left, factor, 0), factor, 1), right], axis=1)
    while True:
        content = bytes(imagecodecs.png_encode(np.ascontiguousarray(picture), level=9))
        if len(content) <= MAX_BYTES:
            return content
        picture = picture[::2, ::2]


def _as_gray(image: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.uint8]:
    """(y, x, 3); black and white are percentiles 0.5 and 99.5 of the truth, so that both halves are shown alike."""
    low, high = np.percentile(truth, (0.5, 99.5))
    gray = (np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
    return gray if gray.ndim == 3 else np.repeat(gray[..., None], 3, axis=-1)
