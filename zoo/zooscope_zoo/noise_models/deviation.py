"""The deviation of an image's noise, estimated from the image alone."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import convolve2d

_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
"""A difference of two Laplacians: nothing of an even slope is left, and of white noise 6 times its deviation."""


def noise_deviation(image: NDArray[np.floating]) -> float:
    """Standard deviation of white Gaussian noise in an image (y, x), in its units (Immerkaer 1996).

    sqrt(pi / 2) / 6 times the mean absolute difference of two Laplacians, doi:10.1006/cviu.1996.0060. Fine structures
    count as noise; of noise that varies with the signal it is the typical deviation.
    """
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(convolve2d(image, _LAPLACIANS, mode="valid")).mean())
