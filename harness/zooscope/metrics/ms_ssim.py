"""MS-SSIM: structural similarity over five scales. Wang, Simoncelli and Bovik 2003, doi:10.1109/ACSSC.2003.1292216."""

from collections.abc import Iterator, Mapping

import numpy as np

from zooscope.metrics.image_pair import ImagePair
from zooscope.metrics.local_moments import GAUSSIAN_11, LocalMoments
from zooscope.metrics.metric import Array, Metric, mean_of_images

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, from fine to coarse; the paper's."""

SMALLEST_EDGE = (GAUSSIAN_11.size - 1) * 2 ** (len(WEIGHTS) - 1) + 1
"""161 pixels: below, the window does not fit into the coarsest scale."""


def measure(pair: ImagePair) -> dict[str, float]:
    """MS-SSIM of one image; NaN where y or x is below 161 pixels, or the truth has no such range.

    Of colour and of volumes the mean over the planes.
    """
    if pair.smallest_edge < SMALLEST_EDGE:
        return {f"ms-ssim.{name}": np.nan for name in pair.ranges}
    planes = [multiscale(prediction, truth, pair.ranges) for prediction, truth in pair.planes()]
    return {f"ms-ssim.{name}": float(np.mean([plane[name] for plane in planes])) for name in pair.ranges}


def metrics() -> Iterator[Metric]:
    """All of this family."""
    product = "mean contrast-structure of scales 1 to 4 and mean SSIM of scale 5, to Wang 2003's weights"
    what = f"MS-SSIM, the product of the {product}; 11-pixel Gaussian window; a negative factor counts as 0"
    small = "or an edge is below 161 pixels"
    bounded = f"{what}; range 255; left out where the truth leaves [0, 255] {small}"
    yield mean_of_images("ms-ssim.range-255", "MS-SSIM, range 255", bounded)
    spanned = f"{what}; range max - min of the truth; left out where the truth is constant {small}"
    yield mean_of_images("ms-ssim.range-gt", "MS-SSIM, range of the truth", spanned)


def multiscale(prediction: Array, truth: Array, spans: Mapping[str, float]) -> dict[str, float]:
    """MS-SSIM of two (y, x) images with each of the ranges."""
    found = dict.fromkeys(spans, 1.0)
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            prediction, truth = halve(prediction), halve(truth)
        moments = LocalMoments.of(prediction, truth, GAUSSIAN_11)
        for name, span in spans.items():
            factor = moments.contrast(span) if scale < len(WEIGHTS) - 1 else moments.ssim(span)
            found[name] *= float(np.maximum(factor, 0.0) ** weight)
    return found


def halve(image: Array) -> Array:
    """Means of 2 x 2 pixels; the last row or column of an odd number is its own neighbour, as in Wang's own code."""
    even = np.pad(image, [(0, length % 2) for length in image.shape], mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
