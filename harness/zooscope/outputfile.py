"""Label images and restored images as files that napari and Fiji open: TIFF, or OME-Zarr, with axes and pixel size."""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import DTypeLike, NDArray

from zooscope import atomic
from zooscope.imagefile import labels_dtype
from zooscope.stack import Pixels, PixelSize
from zooscope.zarrpixels import import_zarr

SUFFIX = {"tiff": ".tif", "ome-zarr": ".ome.zarr"}
"""Format -> how its files' names end."""

_STRIP_BYTES = 2**18
_CHUNK_PX = 1024
_BAND_PX = 2**24
"""Pixels that are held in memory at once."""

Size = tuple[int, ...]


def write_prediction(
    path: Path, found: Pixels, *, top: int | None, axes: str, pixel_size: PixelSize, format: str = "tiff"
) -> None:
    """Write a label image or a restored image of any size, part by part; `path` is there when it is whole.

    Parameters
    ----------
    found : int32 or float32, along `axes`: of t, z and c those that it has, then y and x.
    top : the largest label; the file's dtype is the smallest unsigned one that holds it. None: float32, as it is.
    format : "tiff" (ImageJ's, or OME where that cannot hold it) or "ome-zarr" (format 0.4, with coarser levels).
    """
    dtype = np.float32 if top is None else labels_dtype(top)
    if format == "ome-zarr":
        with atomic.new_folder(path) as building:
            _write_zarr(building, found, dtype, axes, pixel_size)
        return
    with atomic.new_file(path) as building:
        _write_tiff(building, found, dtype, axes, pixel_size)


def _write_tiff(path: Path, labels: Pixels, dtype: DTypeLike, axes: str, size: PixelSize) -> None:
    """Strips deflated without a predictor: ImageJ undoes predictors of LZW only, and opens no tiles.

    ImageJ's own format has no uint32 and no more than 4 GB. Fiji reads OME-TIFF through Bio-Formats, uint32 as float.
    """
    dtype = np.dtype(dtype).newbyteorder("<")
    shape = labels.shape
    imagej = (
        (dtype.itemsize < 4 or dtype.kind == "f")
        and math.prod(shape) * dtype.itemsize < 2**32 - 2**25
        and axes in ("yx", "tyx", "zyx", "tzyx")
    )
    rows = max(1, _STRIP_BYTES // (shape[-1] * dtype.itemsize))
    metadata: dict[str, Any] = {"axes": axes.upper()}
    metadata |= _imagej_metadata(size) if imagej else _ome_metadata(size)
    options: dict[str, Any] = {}
    if size.y_um and size.x_um:
        options = {"resolution": (1e4 / size.x_um, 1e4 / size.y_um), "resolutionunit": "CENTIMETER"}
        if imagej:
            options = {"resolution": (1 / size.x_um, 1 / size.y_um)}
    big = not imagej and math.prod(shape) * dtype.itemsize > 2**31
    with tifffile.TiffWriter(path, byteorder="<", imagej=imagej, ome=not imagej, bigtiff=big) as file:
        file.write(
            _strips(labels, dtype, rows),
            shape=shape,
            dtype=dtype,
            photometric="minisblack",
            compression="zlib",
            rowsperstrip=rows,
            metadata=metadata,
            software=False,
            **options,
        )


def _strips(labels: Pixels, dtype: np.dtype[Any], rows: int) -> Iterator[bytes]:
    for at in np.ndindex(*labels.shape[:-2]):
        for strip in _bands(labels, at, rows):
            yield zlib.compress(np.ascontiguousarray(strip.astype(dtype)).tobytes(), 6)


def _bands(labels: Pixels, at: Size, rows: int) -> Iterator[NDArray[np.int32]]:
    """A plane, `rows` at a time; read in larger parts."""
    height, width = labels.shape[-2:]
    step = max(1, _BAND_PX // (rows * width)) * rows
    for begin in range(0, height, step):
        band = np.asarray(labels[(*at, slice(begin, min(height, begin + step)), slice(None))])
        yield from (band[row : row + rows] for row in range(0, len(band), rows))


def _imagej_metadata(size: PixelSize) -> dict[str, Any]:
    about: dict[str, Any] = {"unit": "um"} if size.y_um and size.x_um else {}
    about |= {"spacing": size.z_um} if about and size.z_um else {}
    return about | ({"finterval": size.t_s} if size.t_s else {})


def _ome_metadata(size: PixelSize) -> dict[str, Any]:
    about: dict[str, Any] = {}
    for letter, value in (("X", size.x_um), ("Y", size.y_um), ("Z", size.z_um)):
        about |= {f"PhysicalSize{letter}": value, f"PhysicalSize{letter}Unit": "µm"} if value else {}
    return about | ({"TimeIncrement": size.t_s, "TimeIncrementUnit": "s"} if size.t_s else {})


def _write_zarr(folder: Path, found: Pixels, dtype: DTypeLike, axes: str, size: PixelSize) -> None:
    """OME-NGFF 0.4 (https://ngff.openmicroscopy.org/0.4), levels halved by taking every other label."""
    zarr = import_zarr(folder)
    group = zarr.open_group(str(folder), mode="w", zarr_format=2)
    level, shape, factor, datasets = found, found.shape, 1, list[dict[str, Any]]()
    steps = {"y": size.y_um, "x": size.x_um, "z": size.z_um, "t": size.t_s}
    while True:
        name = str(len(datasets))
        array = group.create_array(
            name,
            shape=shape,
            chunks=(*[1] * (len(shape) - 2), *(min(_CHUNK_PX, n) for n in shape[-2:])),
            dtype=dtype,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        every = slice(None, None, 1 if not datasets else 2)
        for at in np.ndindex(*shape[:-2]):
            for row in range(0, shape[-2], _CHUNK_PX):
                step = every.step
                part = np.asarray(level[(*at, slice(row * step, (row + _CHUNK_PX) * step), slice(None))])
                array[(*at, slice(row, row + _CHUNK_PX), slice(None))] = part[::step, ::step].astype(dtype)
        scale = [(steps[letter] or 1.0) * (factor if letter in "yx" else 1) for letter in axes]
        datasets.append({"path": name, "coordinateTransformations": [{"type": "scale", "scale": scale}]})
        if max(shape[-2:]) <= _CHUNK_PX:
            break
        level, shape, factor = array, (*shape[:-2], *(-(-n // 2) for n in shape[-2:])), factor * 2
    kinds = {"t": ("time", "second"), "z": ("space", "micrometer")}
    named = []
    for letter in axes:
        kind, unit = kinds.get(letter, ("space", "micrometer"))
        named.append({"name": letter, "type": kind} | ({"unit": unit} if steps[letter] else {}))
    labels = np.dtype(dtype).kind == "u"
    about = {"name": "labels" if labels else "restored", "axes": named, "datasets": datasets}
    group.attrs["multiscales"] = [{"version": "0.4", **about}]
    if labels:
        group.attrs["image-label"] = {"version": "0.4"}
