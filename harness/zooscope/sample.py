"""Sample: one image with its truth. Task: what a model is asked to do with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope.errors import DataError
from zooscope.masks import Masks


class Task(StrEnum):
    """What is asked of a model."""

    INSTANCE_SEGMENTATION = "instance-segmentation"
    SEMANTIC_SEGMENTATION = "semantic-segmentation"
    RESTORATION = "restoration"
    DETECTION = "detection"
    LOCALISATION = "localisation"
    EMBEDDING = "embedding"


@dataclass(frozen=True)
class Sample:
    """One image with its truth.

    Attributes
    ----------
    id : unique within its data set; also the stem of every file written for it.
    image : dims ("y", "x") or ("y", "x", "c"), native dtype; c is red, green, blue. Of restoration also volumes, dims
        ("z", "y", "x").
    target : for instance segmentation a label image int32 (y, x): 0 is background, every other value one object; for
        restoration the clean image, of the image's shape, integers or float32.
    group : what was imaged together; splits never cut a group and the bootstrap resamples groups.
    stratum : the part of the data set that this image is reported under.
    pixel_size_um : edge of a pixel in micrometres, where the source tells it.
    objects : the true objects where the source has a mask of each and they may overlap; `target` is a view of them.
    classes : of the objects in `target` by their labels, where the source tells any; not all need have one.
    """

    id: str
    image: xr.DataArray
    target: NDArray[Any]
    group: str
    stratum: str = "all"
    pixel_size_um: float | None = None
    objects: Masks | None = None
    classes: Mapping[int, str] | None = None

    @property
    def axes(self) -> str:
        """The image's dims as one word: "yx", "yxc" or "zyx"."""
        return "".join(str(dim) for dim in self.image.dims)


def as_image(array: NDArray[np.generic], *, axes: str, source: str) -> xr.DataArray:
    """Name an array's dims, after a look at what no method can work with.

    Parameters
    ----------
    array : (y, x), a volume (z, y, x), or (y, x, c) with c of 1, 3 or 4; a fourth channel is transparency and is
        dropped, and three equal channels become one.
    source : where the array came from, for the error.

    Raises
    ------
    DataError : other axes, no pixels, complex or text values, NaN or infinity.
    """
    if axes not in ("yx", "yxc", "zyx") or array.ndim != len(axes):
        raise DataError(
            f"{source}: an array of shape {array.shape} with axes '{axes}'; images are 'yx' or 'yxc', volumes 'zyx'"
        )
    if array.size == 0:
        raise DataError(f"{source}: the image of shape {array.shape} has no pixels")
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.dtype.kind not in "uif":
        raise DataError(f"{source}: pixels of dtype {array.dtype}; integers or floats are expected")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"{source}: the image holds NaN or infinity")
    if axes == "yxc":
        if array.shape[-1] not in (1, 3, 4):
            raise DataError(f"{source}: {array.shape[-1]} channels; gray (1) or red, green, blue (3) are expected")
        array = array[..., :3]
        if (array == array[..., :1]).all():
            array, axes = array[..., 0], "yx"
    return xr.DataArray(np.ascontiguousarray(array), dims=tuple(axes))


def as_labels(array: NDArray[np.generic], *, shape: tuple[int, ...], source: str) -> NDArray[np.int32]:
    """Check a label image against its image's (y, x) and give it as int32.

    Raises
    ------
    DataError : another shape, values that are not whole numbers, negative values, NaN.
    """
    if array.shape != shape:
        raise DataError(f"{source}: labels of shape {array.shape}, but the image is {shape}")
    if array.dtype == bool:
        raise DataError(f"{source}: a yes/no mask, not a label image; number the objects, e.g. skimage.measure.label")
    if array.dtype.kind not in "uif":
        raise DataError(f"{source}: labels of dtype {array.dtype}; whole numbers are expected")
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.floor(array)).all()):
        raise DataError(f"{source}: labels hold NaN, infinity or fractions; whole numbers are expected")
    if array.size and (array.min() < 0 or array.max() > np.iinfo(np.int32).max):
        found = f"labels from {array.min()} to {array.max()}"
        raise DataError(f"{source}: {found}; 0 (background) to 2147483647 are expected")
    return np.ascontiguousarray(array, dtype=np.int32)


def as_restored(array: NDArray[np.generic], *, shape: tuple[int, ...], source: str) -> NDArray[Any]:
    """Check a clean or a restored image against the shape of its noisy image; integers as they are, else float32.

    Raises
    ------
    DataError : another shape, yes/no or complex values, NaN, infinity or values beyond float32.
    """
    if array.shape != shape:
        raise DataError(f"{source}: an image of shape {array.shape}, but the noisy one is {shape}")
    if array.dtype.kind not in "uif":
        raise DataError(f"{source}: pixels of dtype {array.dtype}; integers or floats are expected")
    if array.dtype.kind != "f":
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(single).all():
        raise DataError(f"{source}: the image holds NaN, infinity or values beyond float32")
    return single
