"""Boundary: how many boundary pixels of a class lie near those of the other map.

Csurka et al. 2013, doi:10.5244/C.27.32.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

DISTANCE_PX = 2
"""How far apart two boundaries may lie (Euclidean, between centres of pixels)."""


def measure(prediction: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Counts of pixels: predicted boundary, that near the true one, true boundary, that near the predicted one."""
    found, real = boundary(prediction), boundary(truth)
    return len(found), _near(found, real, truth.shape), len(real), _near(real, found, truth.shape)


def boundary(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Flat indices of the pixels that have a neighbour beyond the mask, up, down, left or right.

    The edge of the image is no boundary: nobody drew it.
    """
    inner = np.ones(mask.shape, bool)
    for axis in range(mask.ndim):
        here, there = np.moveaxis(inner, axis, 0), np.moveaxis(mask, axis, 0)
        here[1:] &= there[:-1]
        here[:-1] &= there[1:]
    return np.flatnonzero(mask & ~inner)


def _near(one: NDArray[np.intp], other: NDArray[np.intp], shape: tuple[int, ...]) -> int:
    if not len(one) or not len(other):
        return 0
    away = np.ones(shape, bool)
    away.ravel()[other] = False
    return int(np.count_nonzero(distance_transform_edt(away).ravel()[one] <= DISTANCE_PX))  # type: ignore[union-attr]
