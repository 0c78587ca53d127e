"""The restored image of a network that saw it scaled between two of its own values, brought back into its units.

The maps are the image's channels in turn. Those that are intensities are multiplied by high - low, and low is added;
those beyond them are deviations, which are multiplied only, so that their zero stays zero.

`low` and `high` are, of each channel of the whole image, the values that the package's `scale_range` makes 0 and 1:
the lower percentile, and the upper one plus `eps`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 1
VOLUMES = True
TASK = "restoration"
SEARCH: dict[str, tuple[float, ...]] = {}
OF_IMAGE = ("low", "high")


def decode(
    maps: NDArray[np.float32],
    shape: tuple[int, ...],
    *,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    intensities: int | None = None,
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Restored image float32 in the units of the image that was given, and no objects.

    Parameters
    ----------
    maps : (c, y, x) as the network gives them, or (c, z, y, x).
    shape : of the image, (y, x) or (y, x, c), or (z, y, x).
    low, high, intensities : of `in_units`.

    Raises
    ------
    ValueError : maps of another size, or of fewer channels; no low and high.
    """
    colour = len(shape) == maps.ndim
    wanted, space = (shape[-1], shape[:-1]) if colour else (1, shape)
    if maps.shape[1:] != space or maps.shape[0] < wanted:
        raise ValueError(f"maps {maps.shape} are no image of shape {shape}")
    found = in_units(maps[:wanted], low=low, high=high, intensities=intensities)
    return np.ascontiguousarray(np.moveaxis(found, 0, -1) if colour else found[0]), {}


def in_units(
    maps: NDArray[np.float32],
    *,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    intensities: int | None = None,
) -> NDArray[np.float32]:
    """All maps, of the shape that they have, in the image's units.

    Parameters
    ----------
    low, high : of each channel that the network takes, in the image's units.
    intensities : how many of the maps, from the first, are intensities; by default as many as there are channels.
    """
    if low is None or high is None:
        raise ValueError("the image's low and high values are needed")
    channels = len(low)
    shifted = channels if intensities is None else intensities
    found = np.empty(maps.shape, np.float32)
    for number, plane in enumerate(maps):
        channel = number % channels
        gain = float(high[channel]) - float(low[channel])
        found[number] = plane * gain + (float(low[channel]) if number < shifted else 0.0)
    return found


def collect(
    maps: NDArray[np.float32],
    *,
    at: tuple[int, int],
    size: tuple[int, int],
    grid: tuple[int, int],
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    intensities: int | None = None,
) -> dict[str, NDArray[np.generic]]:
    """A tile of a gray image, in its units, and the place (y, x) `at` which it lies."""
    return {"image": in_units(maps[:1], low=low, high=high, intensities=intensities)[0], "at": np.array(at)}


def finish(
    tiles: Sequence[Mapping[str, NDArray[Any]]],
    shape: tuple[int, int],
    canvas: Any,
    *,
    intensities: int | None = None,
) -> tuple[int, dict[str, Any]]:
    """Put all tiles in their places; no object."""
    for tile in tiles:
        (y, x), image = map(int, tile["at"]), tile["image"]
        canvas[y : y + image.shape[0], x : x + image.shape[1]] = image
    return 0, {}
