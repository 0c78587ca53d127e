"""distance-watershed: seeds are the middles of objects; a watershed grows them over the foreground."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import watershed
from skimage.transform import resize

VERSION = 1
SEARCH: dict[str, tuple[Any, ...]] = {
    "threshold": (0.4, 0.5, 0.6, 0.7),
    "seed_threshold": (0.1, 0.2, 0.3, 0.4, 0.5),
    "min_size_px": (0, 16, 32),
}


def decode(
    maps: NDArray[np.float32],
    shape: tuple[int, int],
    *,
    threshold: float = 0.5,
    seed_threshold: float = 0.3,
    min_size_px: int = 0,
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.generic]]]:
    """Seeded watershed on the distance to the outline, less the boundary.

    Seeds are the 4-connected parts of `distance - boundary > seed_threshold`: the cores of objects. Where two touch,
    the distance falls and the boundary rises, so that either alone can part them. Seeds flood down that landscape over
    `foreground > threshold`. Foreground that no seed reaches is no object, nor is one below `min_size_px` pixels.

    Parameters
    ----------
    maps : (c, y, x); the first three channels are the probabilities of foreground and of boundary, and the distance to
        the outline, 1 in the middle of each object. Scaled to `shape`.
    shape : (y, x) of the image.

    Returns
    -------
    Labels int32 (y, x) numbered 1..n, and `score`: the mean foreground of each object.
    """
    if maps.shape[1:] != shape:
        maps = np.asarray(resize(maps[:3], (3, *shape), order=1), np.float32)
    foreground, depth = maps[0], maps[2] - maps[1]
    seeds = label(depth > seed_threshold, connectivity=1)
    labels = watershed(-depth, seeds, mask=foreground > threshold).astype(np.int32)
    keep = np.bincount(labels.ravel()) >= max(1, min_size_px)
    keep[0] = False
    labels = np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]
    scores = ndimage.mean(foreground, labels, np.arange(1, labels.max(initial=0) + 1))
    return labels, {"score": np.asarray(scores, np.float32)}


def support(
    maps: NDArray[np.float32], *, threshold: float = 0.5, seed_threshold: float = 0.3, min_size_px: int = 0
) -> NDArray[np.bool_]:
    """Pixels (y, x) that can belong to objects or seeds; what is not connected in it is decoded apart.

    A watershed floods each connected part of its mask by itself; a seed is one object also where it leaves the mask.
    Only on plateaus, equal to the last bit, may scikit-image share out pixels otherwise.
    """
    return (maps[0] > threshold) | (maps[2] - maps[1] > seed_threshold)
