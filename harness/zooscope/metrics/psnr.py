"""PSNR: peak signal-to-noise ratio, with each range, fit, clipping and rounding under a name of its own."""

import math
from collections.abc import Iterator

import numpy as np

from zooscope.metrics.image_pair import ImagePair, fit_affine, mean_square
from zooscope.metrics.metric import Array, Metric, mean_of_images

CEILING_DB = 100.0
"""What identical images count as. Their PSNR is infinite, and one infinity would be the mean of any set of images."""

LIMIT = f"at most {CEILING_DB:g} dB, also of identical images"
EIGHT_BIT = "left out where the truth leaves [0, 255]"
VARYING = "left out where the truth is constant"


def psnr(squared_error: float, span: float) -> float:
    """10 log10(span^2 / squared_error) in dB, at most CEILING_DB; NaN where the span is not positive."""
    if not span > 0:
        return math.nan
    if squared_error == 0:
        return CEILING_DB
    return min(20 * math.log10(span) - 10 * math.log10(squared_error), CEILING_DB)


def measure(pair: ImagePair) -> dict[str, float]:
    """PSNR in dB of one image, one column a metric; NaN where the truth has no such range. See `metrics`."""
    ranges = pair.ranges
    # no need to clamp the truth: where it leaves [0, 255] there is no value
    clamped = mean_square(np.clip(pair.prediction, 0, 255), pair.truth)
    rounded = mean_square(to_uint8(pair.prediction), to_uint8(pair.truth))
    fitted = mean_square(fit_affine(pair.prediction, pair.truth), pair.truth)
    return {
        "psnr.range-255": psnr(pair.mean_square, ranges["range-255"]),
        "psnr.range-gt": psnr(pair.mean_square, ranges["range-gt"]),
        "psnr.range-255-clamped": psnr(clamped, ranges["range-255"]),
        "psnr.range-255-uint8": psnr(rounded, ranges["range-255"]),
        "psnr.range-gt-affine": psnr(fitted, ranges["range-gt"]),
    }


def metrics() -> Iterator[Metric]:
    """All of this family. Means are over all values of an image: pixels, colours, planes; nothing is cropped."""
    what = f"10 log10(255^2 / mean (prediction - truth)^2), not clipped, not rounded; {LIMIT}; {EIGHT_BIT}"
    yield mean_of_images("psnr.range-255", "PSNR, range 255", what)
    what = f"10 log10((max - min of the truth)^2 / mean (prediction - truth)^2), not clipped; {LIMIT}; {VARYING}"
    yield mean_of_images("psnr.range-gt", "PSNR, range of the truth", what)
    what = f"10 log10(255^2 / mean (prediction - truth)^2) of both clamped to [0, 255], as FMD; {LIMIT}; {EIGHT_BIT}"
    yield mean_of_images("psnr.range-255-clamped", "PSNR, clamped to 0..255", what)
    both = "both clamped to [0, 255] and rounded to whole numbers, halves up"
    what = f"10 log10(255^2 / mean (prediction - truth)^2) of {both}; {LIMIT}; {EIGHT_BIT}"
    yield mean_of_images("psnr.range-255-uint8", "PSNR, uint8", what)
    span = "(max - min of the truth)^2"
    what = f"10 log10({span} / mean (a prediction + b - truth)^2) with the best a and b; {LIMIT}; {VARYING}"
    yield mean_of_images("psnr.range-gt-affine", "scale-invariant PSNR", what)


def to_uint8(image: Array) -> Array:
    """Clamped to [0, 255] and rounded to the nearest whole number, halves up (MATLAB's im2uint8); still float64."""
    return np.floor(np.clip(image, 0, 255) + 0.5)
