"""TIFF files: pixels read where they are asked for, also from compressed tiles; axes and pixel size from metadata."""

import contextlib
import itertools
from collections import OrderedDict
from collections.abc import Generator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from zooscope.errors import DataError

WHOLE_PAGE_BYTES = 128 * 2**20
"""Pages up to this size are decoded whole; of larger ones only the strips or tiles that are asked for."""

CACHE_BYTES = 256 * 2**20
"""Decoded strips and tiles that are kept, because neighbours ask for them again."""

_UM = {"µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0,
       "\\u00b5m": 1.0, "nm": 1e-3, "nanometer": 1e-3, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "centimeter": 1e4,
       "m": 1e6, "å": 1e-4, "pm": 1e-6}  # fmt: skip
_SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}

Told = tuple[Any, str, dict[str, float | None], tuple[str, ...]]


@contextlib.contextmanager
def open_tiff(path: Path) -> Generator[Told]:
    """Pixels, axes as tifffile names them, pixel size and names of channels of a TIFF's first series.

    Raises
    ------
    DataError : what is no TIFF.
    """
    try:
        file = tifffile.TiffFile(path)
        series = file.series[0]
        told = series.axes, _pixel_size(file), _channel_names(file)
        pixels: Any = _TiffPixels(series)
        if series.dataoffset is not None and series.keyframe.is_memmappable and not series.is_multifile:
            with contextlib.suppress(ValueError):  # byte orders and packings that cannot be mapped
                pixels = tifffile.memmap(path, series=0, mode="r")
    except Exception as error:
        raise DataError(f"{path}: cannot be read as tif ({' '.join(str(error).split())[:200]})") from error
    with file:
        yield pixels, *told


class _TiffPixels:
    """A series of pages; cut by integers along its leading axes and slices along those of a page."""

    def __init__(self, series: Any) -> None:
        self._series, self._pages = series, series.pages
        self.shape: tuple[int, ...] = tuple(series.shape)
        self.dtype = series.dtype
        self._lead = len(self.shape) - len(series.keyframe.shape)
        self._kept: OrderedDict[tuple[int, int], NDArray[Any]] = OrderedDict()

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        lead, rest = index[: self._lead], index[self._lead :]
        key = self._series.keyframe
        if key.shape != self.shape[self._lead :]:  # axes of one that tifffile took away or added
            return self._series.asarray().reshape(self.shape)[index]
        number = int(np.ravel_multi_index(lead, self.shape[: self._lead])) if lead else 0
        page = self._pages[number]
        if page is None:
            return np.zeros(key.shape, self.dtype)[rest]
        if key.nbytes <= WHOLE_PAGE_BYTES or key.axes not in ("YX", "YXS"):
            return self._cached((number, -1), page.asarray)[rest]
        return self._region(number, page, rest)

    def _region(self, number: int, page: Any, index: tuple[Any, ...]) -> NDArray[Any]:
        key = self._series.keyframe
        y, x = (range(n)[part] for n, part in zip(key.shape, index, strict=False))
        out = np.empty((len(y), len(x), *key.shape[2:]), self.dtype)
        height, width = key.chunks[:2]
        across = key.chunked[1]
        rows, columns = range(y.start // height, -(-y.stop // height)), range(x.start // width, -(-x.stop // width))
        for row, column in itertools.product(rows, columns):
            at = row * across + column
            part = self._cached((number, at), lambda at=at: self._segment(page, at))
            top, left = row * height, column * width
            ys = slice(max(y.start, top), min(y.stop, top + part.shape[0]))
            xs = slice(max(x.start, left), min(x.stop, left + part.shape[1]))
            inside = part[ys.start - top : ys.stop - top, xs.start - left : xs.stop - left]
            out[ys.start - y.start : ys.stop - y.start, xs.start - x.start : xs.stop - x.start] = inside
        return out[:, :, *index[2:]]

    def _segment(self, page: Any, at: int) -> NDArray[Any]:
        """One strip or tile (y, x) or (y, x, samples), without what pads a tile beyond the page."""
        key, handle = self._series.keyframe, page.parent.filehandle
        count = page.databytecounts[at]
        data = None
        if count:
            handle.seek(page.dataoffsets[at])
            data = handle.read(count)
        decoded, _, shape = key.decode(data, at, jpegtables=key.jpegtables)
        if decoded is None:
            decoded = np.full(shape, key.nodata, self.dtype)
        part = decoded[0, : shape[1], : shape[2]]
        return part if len(key.shape) > 2 else part[..., 0]

    def _cached(self, key: tuple[int, int], load: Any) -> NDArray[Any]:
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            self._kept[key] = load()
            while len(self._kept) > 1 and sum(part.nbytes for part in self._kept.values()) > CACHE_BYTES:
                self._kept.popitem(last=False)
        return self._kept[key]


def _pixel_size(file: tifffile.TiffFile) -> dict[str, float | None]:
    """From OME-XML, ImageJ's description, or the resolution tag where that counts in centimetres.

    A resolution in inches is that of a screen or a printer: image editors write 72 or 96 into whatever they save.
    """
    if file.is_ome and file.ome_metadata:
        return _ome_pixel_size(file.ome_metadata)
    resolution = {letter: _micrometres(file, f"{letter.upper()}Resolution") for letter in "yx"}
    if file.is_imagej and file.imagej_metadata:
        about = file.imagej_metadata
        unit = _UM.get(str(about.get("unit", "")).strip().lower())
        if unit is None:
            return {}
        spacing, interval = about.get("spacing"), about.get("finterval")
        return {
            **{f"{letter}_um": value * unit if value else None for letter, value in resolution.items()},
            "z_um": abs(float(spacing)) * unit if spacing else None,
            "t_s": float(interval) if interval else None,
        }
    tag: Any = file.pages.first.tags.get("ResolutionUnit")
    if tag is None or int(tag.value) != 3:
        return {}
    return {f"{letter}_um": value * 1e4 if value else None for letter, value in resolution.items()}


def _micrometres(file: tifffile.TiffFile, name: str) -> float | None:
    """Units a pixel, from a tag that counts pixels a unit."""
    tag: Any = file.pages.first.tags.get(name)
    if tag is None or not tag.value[0]:
        return None
    return tag.value[1] / tag.value[0]


def _ome_pixel_size(xml: str) -> dict[str, float | None]:
    pixels = _ome_pixels(xml)
    if pixels is None:
        return {}
    found: dict[str, float | None] = {}
    for letter in "yxz":
        value, unit = pixels.get(f"PhysicalSize{letter.upper()}"), pixels.get(f"PhysicalSize{letter.upper()}Unit", "µm")
        factor = _UM.get(unit.lower())
        found[f"{letter}_um"] = float(value) * factor if value and factor else None
    interval, unit = pixels.get("TimeIncrement"), _SECONDS.get(pixels.get("TimeIncrementUnit", "s"))
    found["t_s"] = float(interval) * unit if interval and unit else None
    return found


def _channel_names(file: tifffile.TiffFile) -> tuple[str, ...]:
    if file.is_ome and file.ome_metadata:
        pixels = _ome_pixels(file.ome_metadata)
        found = [] if pixels is None else [item for item in pixels if item.tag.endswith("}Channel")]
        return tuple(item.get("Name", "") for item in found) if all(item.get("Name") for item in found) else ()
    return ()


def _ome_pixels(xml: str) -> ElementTree.Element | None:
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None
    return next((item for item in root.iter() if item.tag.endswith("}Pixels")), None)
