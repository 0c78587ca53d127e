"""FRC: Fourier ring correlation of a restored image and its truth, and the resolution that it tells.

Saxton and Baumeister 1982, doi:10.1111/j.1365-2818.1982.tb00405.x; the fixed threshold of 1/7: Nieuwenhuizen et al.
2013, doi:10.1038/nmeth.2448.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal.windows import tukey

from zooscope.metrics.image_pair import ImagePair
from zooscope.metrics.metric import Array, Metric, mean_of_images

THRESHOLD = 1 / 7

REACH = 3
"""Rings on either side whose mean with a ring's own correlation meets the threshold.

The curve of one pair of images is noisy, and its first single ring below the threshold comes early: with 1/7, a fifth
too coarse on natural images under strong noise, and within 4 % where 7 rings are averaged.
"""

SMALLEST_EDGE = 32
"""In pixels: below, there are too few rings to speak of a curve."""

TAPERED = 0.25
"""Share of each edge over which an image fades out, half of it at either end."""


def measure(pair: ImagePair) -> dict[str, float]:
    """Resolution in pixels of y and x; NaN where y or x is below 32 pixels, or the truth is constant."""
    if pair.smallest_edge < SMALLEST_EDGE or math.isnan(pair.ranges["range-gt"]):
        return {"frc-resolution.one-seventh": math.nan}
    return {"frc-resolution.one-seventh": resolution_px(*_curve(pair))}


def metrics() -> Iterator[Metric]:
    """All of this family; lower is better."""
    curve = "the Fourier ring correlation of prediction and truth"
    limits = "2 pixels where it never does, the shorter edge where no ring exceeds it"
    what = f"pixels a period where {curve}, averaged over 7 rings, first falls below 1/7; {limits}"
    left_out = "left out where the truth is constant or an edge is below 32 pixels"
    yield mean_of_images(
        "frc-resolution.one-seventh", "FRC resolution (px)", f"{what}; {left_out}", higher_is_better=False
    )


def fourier_ring_correlation(prediction: NDArray[Any], truth: NDArray[Any]) -> tuple[Array, Array]:
    """The curve: frequency in periods a pixel, and correlation, -1 to 1, of each ring.

    Rings are as wide as the lowest frequency, one period in the shorter edge n, and centred on 1/n, 2/n ... to 1/2 at
    most. Means are subtracted, and images fade out over an eighth of each edge, so that their borders, which are edges
    to the Fourier transform, do not correlate. Nothing is smoothed. Of colours and of the planes of a volume the sums
    over rings are added, so frequencies are those in y and x. A ring in which an image has nothing has a correlation
    of 0.

    Raises
    ------
    ValueError : see `ImagePair.of`.
    """
    return _curve(ImagePair.of(prediction, truth))


def resolution_px(frequency: Array, correlation: Array, *, threshold: float = THRESHOLD) -> float:
    """One over the frequency where the curve first falls below the threshold, linear between rings.

    The curve is averaged over 7 rings first, fewer at its ends. 2 where it never falls below: no grid of pixels shows
    finer. One over the lowest frequency where it starts below.
    """
    correlation = _smoothed(correlation)
    below = np.flatnonzero(correlation < threshold)
    if len(below) == 0:
        return 2.0
    last = below[0]
    if last == 0:
        return float(1 / frequency[0])
    (f0, f1), (c0, c1) = frequency[last - 1 : last + 1], correlation[last - 1 : last + 1]
    return float(1 / (f0 + (f1 - f0) * (c0 - threshold) / (c0 - c1)))


def _curve(pair: ImagePair) -> tuple[Array, Array]:
    edge = pair.smallest_edge
    height, width = next(pair.planes())[1].shape
    fading = np.outer(tukey(height, TAPERED), tukey(width, TAPERED))
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    ring = np.rint(radius * edge).astype(np.intp).ravel()
    rings = edge // 2

    def sums(values: Array) -> Array:
        return np.asarray(np.bincount(ring, values.ravel(), rings + 1)[1 : rings + 1], np.float64)

    both, predicted, true = np.zeros((3, rings))
    for prediction, truth in pair.planes():
        p, t = (np.fft.fft2(fading * _centred(plane)) for plane in (prediction, truth))
        both += sums((p * t.conj()).real)
        predicted += sums(p.real**2 + p.imag**2)
        true += sums(t.real**2 + t.imag**2)
    power = np.sqrt(predicted) * np.sqrt(true)
    return np.arange(1, rings + 1) / edge, np.divide(both, power, out=np.zeros(rings), where=power > 0)


def _smoothed(curve: Array) -> Array:
    """The mean around each ring, over as many rings on the one side as on the other."""
    ring = np.arange(len(curve))
    reach = np.minimum(REACH, np.minimum(ring, ring[::-1]))
    total = np.concatenate([[0.0], np.cumsum(curve)])
    return (total[ring + reach + 1] - total[ring - reach]) / (2 * reach + 1)


def _centred(plane: Array) -> Array:
    """Less its mean; exactly zero where all pixels are equal."""
    shifted = plane - plane.flat[0]
    return shifted - shifted.mean()
