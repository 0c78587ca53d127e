"""The restored image: the first channels of the maps, as many as the image has."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 1
TASK = "restoration"
SEARCH: dict[str, tuple[float, ...]] = {}


def decode(maps: NDArray[np.float32], shape: tuple[int, ...]) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Restored image float32, and no objects.

    Parameters
    ----------
    maps : (c, y, x) in the image's units; channels beyond those of the image (an uncertainty) are left.
    shape : of the image, (y, x) or (y, x, c).

    Raises
    ------
    ValueError : maps of another size, or of fewer channels.
    """
    wanted = shape[2] if len(shape) == 3 else 1
    if maps.shape[1:] != shape[:2] or maps.shape[0] < wanted:
        raise ValueError(f"maps {maps.shape} are no image of shape {shape}")
    found = np.moveaxis(maps[:wanted], 0, -1) if len(shape) == 3 else maps[0]
    return np.ascontiguousarray(found, dtype=np.float32), {}
