"""Levels: the two values of each channel between which a package scales an image; its decoder may need them to undo it.

A decoder asks for them by its `OF_IMAGE`. They come from the whole image as the package's own `scale_range` takes them,
however the image is tiled.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope.channels import to_channels
from zooscope.errors import PackageError
from zooscope.padding import BARE, halo_around, padded

if TYPE_CHECKING:
    from zooscope.package import Package
    from zooscope.processing import Processing

LEVELS = ("low", "high")
"""What a decoder can ask of an image."""

Told = Callable[[xr.DataArray], Mapping[str, Any]]
"""An image as it is predicted -> the parameters of the decoder that are the image's own."""


def tell_nothing(image: xr.DataArray) -> Mapping[str, Any]:
    """What most decoders want to know of an image."""
    return {}


def teller(decoder: Any, package: "Package", *, padding: str = BARE, processing: "Processing | None" = None) -> Told:
    """What tells a decoder of an image all that it asks beside the maps.

    Parameters
    ----------
    processing : the package's, where it is there already.

    Raises
    ------
    PackageError : the decoder asks for what is not known, or undoes a scaling that the package does not do.
    """
    asked = of_image(decoder)
    if not asked:
        return tell_nothing
    if set(asked) != set(LEVELS):
        raise PackageError(f"its decoder asks for {', '.join(asked)} of an image; {', '.join(LEVELS)} are known")
    processing = processing or package.processing()
    processing.refuse_without_levels()
    return partial(_levels, package, processing, padding)


def of_image(decoder: Any) -> tuple[str, ...]:
    """The parameters of a decoder that are the image's own, which nobody sets."""
    return tuple(getattr(decoder, "OF_IMAGE", ()))


def scaling_of(operations: Sequence[Any]) -> Any:
    """bioimageio.core's `ScaleRange` where it alone changes the values of an image, else None."""
    changing = [item for item in operations if type(item).__name__ not in ("EnsureDtype", "UpdateStats")]
    return changing[0] if len(changing) == 1 and type(changing[0]).__name__ == "ScaleRange" else None


def levels_of(scaling: Any, stat: Mapping[Any, NDArray[Any]], channels: int) -> dict[str, list[float]]:
    """`low` and `high` of each of so many channels, which `scaling` makes 0 and 1, from the values of its measures."""
    values = (np.asarray(stat[measure], np.float64).ravel() for measure in (scaling.lower, scaling.upper))
    low, upper = (np.broadcast_to(value, channels) for value in values)  # one, where it takes all channels together
    return {"low": low.tolist(), "high": (upper + scaling.eps).tolist()}


def _levels(package: "Package", processing: "Processing", padding: str, image: xr.DataArray) -> dict[str, list[float]]:
    array = to_channels(image, package.input.channels)
    space = "zyx" if "z" in image.dims else "yx"
    return processing.levels(padded(array, package.input, halo_around(package.output, space, padding)))
