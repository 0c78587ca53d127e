"""The restored image: the first channels of the maps, as many as the image has."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 1
VOLUMES = True
TASK = "restoration"
SEARCH: dict[str, tuple[float, ...]] = {}


def decode(maps: NDArray[np.float32], shape: tuple[int, ...]) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Restored image float32, and no objects.

    Parameters
    ----------
    maps : (c, y, x) in the image's units, or (c, z, y, x); channels beyond those of the image (an uncertainty) are
        left.
    shape : of the image, (y, x) or (y, x, c), or (z, y, x).

    Raises
    ------
    ValueError : maps of another size, or of fewer channels.
    """
    colour = len(shape) == maps.ndim
    wanted, space = (shape[-1], shape[:-1]) if colour else (1, shape)
    if maps.shape[1:] != space or maps.shape[0] < wanted:
        raise ValueError(f"maps {maps.shape} are no image of shape {shape}")
    found = np.moveaxis(maps[:wanted], 0, -1) if colour else maps[0]
    return np.ascontiguousarray(found, dtype=np.float32), {}


def collect(
    maps: NDArray[np.float32], *, at: tuple[int, int], size: tuple[int, int], grid: tuple[int, int]
) -> dict[str, NDArray[np.generic]]:
    """A tile of a gray image, and the place (y, x) `at` which it lies."""
    return {"image": maps[0], "at": np.array(at)}


def finish(
    tiles: Sequence[Mapping[str, NDArray[Any]]], shape: tuple[int, int], canvas: Any
) -> tuple[int, dict[str, Any]]:
    """Put all tiles in their places; no object."""
    for tile in tiles:
        (y, x), image = map(int, tile["at"]), tile["image"]
        canvas[y : y + image.shape[0], x : x + image.shape[1]] = image
    return 0, {}
