"""Image files of people: read TIFF, PNG, JPEG, BMP and NPY; write label images as TIFF."""

import io
from pathlib import Path

import numpy as np
import tifffile
import xarray as xr
from numpy.typing import NDArray

from zooscope.errors import DataError, one_line
from zooscope.sample import as_image

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".npy")


def read_image(path: Path, *, volumes: bool = False) -> xr.DataArray:
    """A 2D gray or colour image with named dims; DataError names the file and what is wrong with it.

    Stacks, time series and multi-channel images are refused: which plane is meant is not ours to guess. With `volumes`
    a gray stack whose planes are named z, or not at all, is a volume (z, y, x).
    """
    array = read_array(path)
    axes = _tiff_axes(path) if path.suffix.lower() in (".tif", ".tiff") else "?" * array.ndim
    kept = [i for i, size in enumerate(array.shape) if size > 1 or array.ndim == 2]
    axes, shape = "".join(axes[i] for i in kept), tuple(array.shape[i] for i in kept)
    array = array.reshape(shape)
    if array.ndim == 2:
        return as_image(array, axes="yx", source=str(path))
    if array.ndim == 3 and axes.startswith("S") and shape[0] in (3, 4):
        return as_image(np.moveaxis(array, 0, -1), axes="yxc", source=str(path))
    if array.ndim == 3 and shape[-1] in (3, 4) and (axes.endswith("S") or set(axes) & set("?QI")):
        return as_image(array, axes="yxc", source=str(path))
    if volumes and array.ndim == 3 and (axes == "ZYX" or set(axes) & set("?QI")):
        return as_image(array, axes="zyx", source=str(path))
    told = f" with axes {axes}" if "?" not in axes else ""
    wanted = "one 2D image, gray or RGB, or one gray volume," if volumes else "one 2D image, gray or RGB,"
    raise DataError(f"{path}: an array of shape {array.shape}{told}; {wanted} is expected")


def _tiff_axes(path: Path) -> str:
    """One letter a dimension, as tifffile names them: S are the samples of a colour, Q is unknown."""
    with tifffile.TiffFile(path) as file:
        return file.series[0].axes


def read_array(path: Path) -> NDArray[np.generic]:
    """The array in an image file as it is; DataError if it cannot be read."""
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path}: '{path.suffix}' is not one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        return decode_array(path.read_bytes(), suffix=path.suffix)
    except Exception as error:
        raise DataError(f"{path}: cannot be read as {path.suffix[1:]} ({one_line(error)})") from error


def decode_array(content: bytes, *, suffix: str) -> NDArray[np.generic]:
    """The array in an image file's bytes; `suffix` says how to read them. No pickled object is ever loaded."""
    suffix = suffix.lower()
    if suffix == ".npy":
        return np.load(io.BytesIO(content), allow_pickle=False)
    if suffix in (".tif", ".tiff"):
        return tifffile.imread(io.BytesIO(content))
    import imagecodecs

    decode = {".png": imagecodecs.png_decode, ".bmp": imagecodecs.bmp_decode}.get(suffix, imagecodecs.jpeg8_decode)
    return decode(content)


def encode_tiff(array: NDArray[np.generic], *, description: str | None = None) -> bytes:
    """An array (y, x), (y, x, c) or (z, y, x) as a compressed TIFF; the same array gives the same bytes."""
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        array,
        compression="zlib",
        predictor=array.dtype.kind in "ui",
        photometric="rgb" if array.ndim == 3 and array.shape[-1] in (3, 4) else "minisblack",
        description=description or "",
        metadata=None,
        software=False,
    )
    return buffer.getvalue()


def smallest_labels(labels: NDArray[np.int32]) -> NDArray[np.generic]:
    """Labels in the smallest unsigned dtype that holds them."""
    return labels.astype(labels_dtype(int(labels.max(initial=0))))


def labels_dtype(top: int) -> type[np.unsignedinteger]:
    """The smallest unsigned dtype that holds labels up to `top`.

    napari opens all three as labels; ImageJ has no integers of 32 bits, so Fiji shows uint32 as float.
    """
    return np.uint8 if top < 2**8 else np.uint16 if top < 2**16 else np.uint32
