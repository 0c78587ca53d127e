"""threshold-components: pixels above a threshold, and each connected part is an object."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label
from skimage.transform import resize

VERSION = 1
VOLUMES = True
SEARCH: dict[str, tuple[Any, ...]] = {
    "threshold": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98),
    "min_size_px": (0, 16, 32, 64),
}


def decode(
    maps: NDArray[np.float32], shape: tuple[int, ...], *, threshold: float = 0.5, min_size_px: int = 0
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.generic]]]:
    """Label the 8-connected parts of `maps[0] > threshold` that have at least `min_size_px` pixels.

    In a volume (z, y, x) the 26-connected parts.

    Parameters
    ----------
    maps : (c, y, x); the first channel is the probability of foreground. Scaled to `shape` if smaller.
    shape : (y, x) of the image.

    Returns
    -------
    Labels int32 (y, x) numbered 1..n, and `score`: the mean foreground of each object.
    """
    foreground = maps[0] if maps.shape[1:] == shape else resize(maps[0], shape, order=1)
    labels = np.asarray(label(foreground > threshold, connectivity=foreground.ndim), np.int32)
    keep = np.bincount(labels.ravel()) >= max(1, min_size_px)
    keep[0] = False
    labels = np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]
    scores = ndimage.mean(foreground, labels, np.arange(1, labels.max(initial=0) + 1))
    return labels, {"score": np.asarray(scores, np.float32)}


def support(maps: NDArray[np.float32], *, threshold: float = 0.5, min_size_px: int = 0) -> NDArray[np.bool_]:
    """Pixels (y, x) that can belong to objects; what is not connected in it is decoded apart."""
    return maps[0] > threshold
