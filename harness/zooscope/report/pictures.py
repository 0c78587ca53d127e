"""Pictures: images as people see them, stored as WebP."""

import imagecodecs
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from skimage.transform import downscale_local_mean

MAX_EDGE_PX = 1400
"""Longer edges are made shorter by a whole factor; outlines keep the coordinates of the full image."""

PERCENTILES = (0.5, 99.8)
"""Of an image's values: what is shown as black and as white."""

QUALITY, EFFORT = 85, 2

LEVELS = 16
"""Shades on each side of a residual's 0: so few that the picture needs no loss to be small."""

BELOW, ABOVE = (0, 114, 178), (213, 94, 0)
"""Blue and vermilion of Okabe and Ito: the ends of a residual's colours, with white between them."""


def as_rgb(image: xr.DataArray) -> NDArray[np.uint8]:
    """The image stretched from its `PERCENTILES`, as (y, x, 3); gamma 0.7 lifts dim nuclei in gray ones."""
    values = image.values.astype(np.float32)
    low, high = np.percentile(values, PERCENTILES)
    scaled = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    if values.ndim == 2:
        scaled = np.repeat((scaled**0.7)[..., None], 3, axis=-1)
    return (scaled * 255).astype(np.uint8)


def display_range(values: NDArray[np.generic]) -> tuple[float, float]:
    """What is black and what is white of an image: its `PERCENTILES`; its ends where those are one value."""
    numbers = values.astype(np.float64)
    low, high = map(float, np.percentile(numbers, PERCENTILES))
    if high > low:
        return low, high
    low, high = float(numbers.min()), float(numbers.max())
    return (low, high) if high > low else (low, low + 1)


def linear(values: NDArray[np.generic], low: float, high: float) -> NDArray[np.uint8]:
    """Values (y, x) or (y, x, 3) as (y, x, 3), brightness in proportion to them between two ends."""
    scaled = np.clip((_smaller(values) - low) / (high - low), 0, 1)
    shown = (scaled * 255).round().astype(np.uint8)
    return np.repeat(shown[..., None], 3, axis=-1) if shown.ndim == 2 else shown


def diverging(values: NDArray[np.generic], most: float) -> NDArray[np.uint8]:
    """Values (y, x) as (y, x, 3): white at 0, `BELOW` at -most and less, `ABOVE` at most and more, in `LEVELS`."""
    share = np.round(np.clip(_smaller(values) / most, -1, 1) * LEVELS) / LEVELS
    colours = np.where(share[..., None] < 0, np.array(BELOW), np.array(ABOVE))
    return (255 + np.abs(share)[..., None] * (colours - 255.0)).round().astype(np.uint8)


def webp(pixels: NDArray[np.uint8], *, lossless: bool = False) -> bytes:
    """Pixels (y, x, 3) as a WebP whose longer edge is at most `MAX_EDGE_PX`."""
    small = np.ascontiguousarray(_smaller(pixels).astype(np.uint8))
    return bytes(imagecodecs.webp_encode(small, level=QUALITY, lossless=lossless, method=EFFORT))


def _smaller(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """The mean of each square of pixels, where there are too many of them."""
    step = -(-max(values.shape[:2]) // MAX_EDGE_PX)
    numbers = values.astype(np.float64)
    return downscale_local_mean(numbers, (step, step, 1)[: values.ndim]) if step > 1 else numbers
