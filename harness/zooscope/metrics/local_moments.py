"""LocalMoments: means, variances and covariance of two images under a sliding window, which SSIM is made of."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter

from zooscope.metrics.metric import Array

K1, K2 = 0.01, 0.03
"""Wang et al. 2004, doi:10.1109/TIP.2003.819861."""


@dataclass(frozen=True)
class Window:
    """A window of SSIM.

    Attributes
    ----------
    size : its edge in pixels, odd.
    mean : image -> its weighted mean under the window around each pixel.
    sampled : whether variances are divided by one less than the number of pixels (a sample's), not by their number.
    """

    size: int
    mean: Callable[[Array], Array]
    sampled: bool

    def fits(self, image: Array) -> bool:
        """Whether the image is nowhere smaller than the window."""
        return min(image.shape) >= self.size


UNIFORM_7 = Window(7, lambda image: uniform_filter(image, 7), sampled=True)
"""scikit-image's default: 7 pixels, all alike, variances of a sample."""

GAUSSIAN_11 = Window(11, lambda image: gaussian_filter(image, 1.5, radius=5), sampled=False)
"""Wang 2004: 11 pixels, a Gaussian with a standard deviation of 1.5 pixels, plain weighted variances."""


@dataclass(frozen=True)
class LocalMoments:
    """Moments around each pixel whose window lies wholly inside; no image is padded."""

    prediction_mean: Array
    truth_mean: Array
    variances: Array
    covariance: Array

    @classmethod
    def of(cls, prediction: Array, truth: Array, window: Window) -> "LocalMoments":
        """Moments of two images of one shape, any number of axes, none shorter than the window."""
        edge = window.size // 2
        inside = tuple(slice(edge, length - edge) for length in truth.shape)
        p, t, squares, product = (
            window.mean(image)[inside] for image in (prediction, truth, prediction**2 + truth**2, prediction * truth)
        )
        pixels = window.size**truth.ndim
        scale = pixels / (pixels - 1) if window.sampled else 1.0
        return cls(p, t, scale * (squares - p**2 - t**2), scale * (product - p * t))

    def ssim(self, span: float) -> float:
        """Mean of luminance times contrast and structure; NaN where the span is."""
        return float(np.mean(self._luminance(span) * self._contrast(span)))

    def contrast(self, span: float) -> float:
        """Mean of contrast times structure alone; NaN where the span is."""
        return float(np.mean(self._contrast(span)))

    def _luminance(self, span: float) -> Array:
        small = (K1 * span) ** 2
        return (2 * self.prediction_mean * self.truth_mean + small) / (
            self.prediction_mean**2 + self.truth_mean**2 + small
        )

    def _contrast(self, span: float) -> Array:
        small = (K2 * span) ** 2
        return (2 * self.covariance + small) / (self.variances + small)
