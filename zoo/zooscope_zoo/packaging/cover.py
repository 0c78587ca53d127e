"""The cover: an image beside what the package finds in it."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from zooscope.model import load_model
from zooscope.report.overlays import overlay
from zooscope.report.pictures import as_rgb
from zooscope.sample import Sample

MAX_BYTES = 450_000
"""The spec takes no cover above 500 KB."""


def cover_png(package: Path, sample: Sample, decoder: Any, params: dict[str, Any]) -> bytes:
    """A PNG twice as wide as high: a square of the image, and beside it outlines of found, missed and false objects."""
    model = load_model(package, device="cpu")
    labels, _ = decoder.decode(model.maps(sample.image), sample.target.shape, **params)
    edge = min(sample.target.shape)
    image, truth, labels = sample.image[:edge, :edge], sample.target[:edge, :edge], labels[:edge, :edge]
    right = overlay(image, labels, truth)
    left: NDArray[np.uint8] = as_rgb(image)
    factor = right.shape[0] // left.shape[0]
    picture = np.concatenate([np.repeat(np.repeat(left, factor, 0), factor, 1), right], axis=1)
    while True:
        content = bytes(imagecodecs.png_encode(np.ascontiguousarray(picture), level=9))
        if len(content) <= MAX_BYTES:
            return content
        picture = picture[::2, ::2]
