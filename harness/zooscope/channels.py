"""How an image's channels reach a model's: two rules with names, part of every run's key."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope.errors import PackageError

RULES = "luminance-rec709@1,repeat@1"
"""Colour reaches a one-channel model as luminance, gray reaches a three-channel model repeated."""

_REC709 = np.array([0.2125, 0.7154, 0.0721], np.float32)


def planes_of(image: xr.DataArray) -> NDArray[np.generic]:
    """The image as (c, y, x) with the channels that it has."""
    return np.moveaxis(image.values, -1, 0) if "c" in image.dims else image.values[None]


def to_channels(image: xr.DataArray, channels: int) -> NDArray[np.generic]:
    """The image as (c, y, x), a volume as (c, z, y, x), with as many channels as a model takes.

    Luminance is 0.2125 R + 0.7154 G + 0.0721 B (ITU-R BT.709, as in scikit-image's rgb2gray), as float32 in the
    image's own range.

    Raises
    ------
    PackageError : a model of neither one nor three channels.
    """
    color = "c" in image.dims
    if channels == 1:
        return np.tensordot(_REC709, image.values, axes=(0, -1))[None] if color else image.values[None]
    if channels == 3:
        return np.moveaxis(image.values, -1, 0) if color else np.repeat(image.values[None], 3, axis=0)
    raise PackageError(f"takes {channels} channels; the images are gray or RGB")
