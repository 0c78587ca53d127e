"""boundary-watershed: seeds are foreground without boundary; a watershed grows them over the foreground."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import watershed
from skimage.transform import resize

VERSION = 1
VOLUMES = True
SEARCH: dict[str, tuple[Any, ...]] = {
    "threshold": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "seed_threshold": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "min_size_px": (0, 16, 32, 64),
}


def decode(
    maps: NDArray[np.float32],
    shape: tuple[int, ...],
    *,
    threshold: float = 0.5,
    seed_threshold: float = 0.6,
    min_size_px: int = 0,
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.generic]]]:
    """Seeded watershed on foreground and boundary.

    Seeds are the 4-connected parts of `foreground - boundary > seed_threshold`; they flood the boundary map over
    `foreground > threshold`. Foreground that no seed reaches is no object, nor is one below `min_size_px` pixels.
    In a volume (z, y, x) seeds are 6-connected.

    Parameters
    ----------
    maps : (c, y, x); the first two channels are the probabilities of foreground and boundary. Scaled to `shape`.
    shape : (y, x) of the image.

    Returns
    -------
    Labels int32 (y, x) numbered 1..n, and `score`: the mean foreground of each object.
    """
    if maps.shape[1:] != shape:
        maps = np.asarray(resize(maps[:2], (2, *shape), order=1), np.float32)
    foreground, boundary = maps[0], maps[1]
    seeds = label(foreground - boundary > seed_threshold, connectivity=1)
    labels = watershed(boundary, seeds, mask=foreground > threshold).astype(np.int32)
    keep = np.bincount(labels.ravel()) >= max(1, min_size_px)
    keep[0] = False
    labels = np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]
    scores = ndimage.mean(foreground, labels, np.arange(1, labels.max(initial=0) + 1))
    return labels, {"score": np.asarray(scores, np.float32)}


def support(
    maps: NDArray[np.float32], *, threshold: float = 0.5, seed_threshold: float = 0.6, min_size_px: int = 0
) -> NDArray[np.bool_]:
    """Pixels (y, x) that can belong to objects or seeds; what is not connected in it is decoded apart.

    A watershed floods each connected part of its mask by itself; a seed is one object also where it leaves the mask.
    Only on plateaus of the boundary, equal to the last bit, may scikit-image share out pixels otherwise: the order in
    which it floods pixels of one height depends on all that is in its queue.
    """
    return (maps[0] > threshold) | (maps[0] - maps[1] > seed_threshold)
