"""Zarr folders and OME-Zarr images: pixels read where they are asked for, axes and pixel size from metadata."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zooscope.errors import DataError, UsageError

_MARKS = (".zgroup", ".zarray", "zarr.json")
_UM = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "centimeter": 1e4, "meter": 1e6, "angstrom": 1e-4}
_SECONDS = {"second": 1.0, "millisecond": 1e-3, "minute": 60.0, "hour": 3600.0}

Told = tuple[Any, str, dict[str, float | None], tuple[str, ...]]


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a zarr array or group."""
    return any((folder / name).is_file() for name in _MARKS)


def open_zarr(path: Path) -> Told:
    """Pixels, axes (? is unknown), pixel size and names of channels; of an OME-Zarr image its finest level.

    Raises
    ------
    UsageError : the package zarr is not installed. DataError : neither an array nor an image.
    """
    zarr = import_zarr(path)
    try:
        node: Any = zarr.open(str(path), mode="r")
        if hasattr(node, "shape"):
            return node, "?" * len(node.shape), {}, ()
        about = _ome(node.attrs)
        if "multiscales" not in about and "0" in node and not hasattr(node["0"], "shape"):
            node = node["0"]  # as bioformats2raw lays out the images of one file
            about = _ome(node.attrs)
        if "multiscales" in about:
            return _image(node, about)
        arrays = list(node.arrays())
    except Exception as error:
        raise DataError(f"{path}: cannot be read as zarr ({' '.join(str(error).split())[:200]})") from error
    if len(arrays) != 1:
        found = ", ".join(name for name, _ in arrays[:5]) or "none"
        raise DataError(f"{path}: an OME-Zarr image or one array is expected; arrays in it: {found}")
    return arrays[0][1], "?" * len(arrays[0][1].shape), {}, ()


def import_zarr(path: Path) -> Any:
    """The package zarr, which is an extra."""
    try:
        import zarr  # type: ignore[import-not-found]
    except ImportError:
        raise UsageError(f"{path}: for zarr files install the extra: pip install 'zooscope[zarr]'") from None
    return zarr


def _image(node: Any, about: Mapping[str, Any]) -> Told:
    (scales, *_) = about["multiscales"]
    level = scales["datasets"][0]
    pixels = node[level["path"]]
    axes = scales.get("axes") or list("tczyx")  # before format 0.3 always these five
    names = [axis if isinstance(axis, str) else axis["name"] for axis in axes]
    units = [None if isinstance(axis, str) else axis.get("unit") for axis in axes]
    size: dict[str, float | None] = {}
    changes = [*level.get("coordinateTransformations", []), *scales.get("coordinateTransformations", [])]
    factors = [item["scale"] for item in changes if item.get("type") == "scale"]
    for i, (name, unit) in enumerate(zip(names, units, strict=True)):
        value = 1.0
        for factor in factors:
            value *= factor[i]
        if name in ("y", "x", "z") and unit in _UM:
            size[f"{name}_um"] = value * _UM[unit]
        if name == "t" and unit in _SECONDS:
            size["t_s"] = value * _SECONDS[unit]
    channels = (about.get("omero") or {}).get("channels") or []
    labels = tuple(str(item.get("label") or "") for item in channels)
    return pixels, "".join(name[0].lower() for name in names), size, labels if all(labels) else ()


def _ome(attributes: Any) -> Mapping[str, Any]:
    """What OME says: format 0.5 puts it under a key of its own, those before at the top."""
    found = dict(attributes)
    return found.get("ome") or found
