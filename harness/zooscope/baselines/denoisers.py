"""Restored images by classical means, which learn nothing: functions of one plane."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.restoration import denoise_nl_means

Plane = NDArray[np.float32]


def noisy(image: Plane) -> Plane:
    """The image as it is: what a restoration has to be better than."""
    return image


def gaussian(image: Plane, *, sigma_px: float = 1.0) -> Plane:
    """Smoothed by a Gaussian."""
    return np.asarray(ndimage.gaussian_filter(image, sigma_px, mode="reflect"), np.float32)


def non_local_means(image: Plane, *, strength: float = 0.6, patch_px: int = 5, reach_px: int = 7) -> Plane:
    """Non-local means (Buades et al. 2005, doi:10.1109/CVPR.2005.38), by scikit-image.

    Parameters
    ----------
    strength : the filter's h, in standard deviations of the noise (`noise_deviation`).
    patch_px, reach_px : edge of the patches that are compared, and how far away they are looked for.
    """
    sigma = noise_deviation(image)
    if not sigma > 0:
        return image
    found = denoise_nl_means(
        image, patch_size=patch_px, patch_distance=reach_px, h=strength * sigma, sigma=sigma, fast_mode=True,
        preserve_range=True,
    )  # fmt: skip
    return found.astype(np.float32)


def noise_deviation(image: Plane) -> float:
    """Standard deviation of white Gaussian noise in an image (Immerkaer 1996, doi:10.1006/cviu.1996.0060).

    The mean absolute value of a Laplacian that smooth structures do not reach, times sqrt(pi / 2) / 6.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    found = ndimage.convolve(image, mask, mode="reflect")
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(found).mean())
