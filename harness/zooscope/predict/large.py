"""Images too large for memory: predicted tile by tile from disk to disk, resumed after a kill, decoded by blocks."""

import itertools
import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import DTypeLike, NDArray

from zooscope import atomic
from zooscope.channels import to_channels
from zooscope.decode import Objects, decoder_for, find_decoder, parameters, restores
from zooscope.decode.blocks import decode_in_parts
from zooscope.errors import DataError, PackageError
from zooscope.levels import of_image, teller
from zooscope.padding import HALO
from zooscope.predict.statistics import measured
from zooscope.predict.tiling import POLICY, Span, kept_part, map_scale, spans
from zooscope.progress import track
from zooscope.runkey import digest_of
from zooscope.stack import Plane

if TYPE_CHECKING:
    from zooscope.model import Model

LARGE_PX = 4096**2
"""Images of more pixels are predicted here. Their maps alone can take gigabytes: 33 channels of StarDist at half the
resolution 0.5 GB for this size, and its decoding several times that."""

WHOLE_PX = 8192**2
"""Up to here an image whose decoder cannot work by blocks is predicted in memory after all."""

_READ_PX = 2048

Array = NDArray[np.float32]


def goes_by_blocks(model: "Model", shape: tuple[int, int]) -> bool:
    """Whether an image (y, x) is predicted here; one that cannot be, but can still be tried in memory, is not."""
    pixels = math.prod(shape)
    return pixels > WHOLE_PX or (pixels > LARGE_PX and _obstacle(model) is None)


class DiskCanvas:
    """Labels int32 or restored images float32 (planes, y, x) in a file.

    Each access maps it anew, so that none of it stays in memory.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: DTypeLike = np.int32) -> None:
        self._path, self.shape, self.dtype = path, shape, np.dtype(dtype)
        there = np.load(path, mmap_mode="r") if path.exists() else None
        if there is None or (there.shape, there.dtype) != (shape, self.dtype):
            np.lib.format.open_memmap(path, mode="w+", dtype=self.dtype, shape=shape)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return np.array(np.load(self._path, mmap_mode="r")[index])

    def __setitem__(self, index: Any, value: NDArray[Any]) -> None:
        np.load(self._path, mmap_mode="r+")[index] = value


class PlaneCanvas:
    """One plane of a canvas."""

    def __init__(self, canvas: DiskCanvas, at: tuple[int, ...]) -> None:
        self._canvas, self._at = canvas, at

    def __getitem__(self, index: tuple[slice, slice]) -> NDArray[Any]:
        return self._canvas[(*self._at, *index)]

    def __setitem__(self, index: tuple[slice, slice], value: NDArray[Any]) -> None:
        self._canvas[(*self._at, *index)] = value


def predict_large(
    model: "Model",
    plane: Plane,
    canvas: Any,
    work: Path,
    *,
    identity: Sequence[Any],
    params: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> tuple[int, Objects]:
    """Write the labels of an image of any size, or the image restored; memory holds a few tiles.

    Statistics for normalising come from the whole image, tiles are those of a whole prediction, so the labels are too.

    Parameters
    ----------
    canvas : int32, or float32 of what restores, (y, x), cut and written by slices.
    work : folder for what is known of each tile. A tile's file is there when the tile is finished; a second call with
        the same model and image goes on after the last one.
    identity : what tells this image from others.
    params : parameters of the decoder, in place of the package's.

    Returns
    -------
    How many objects, and what the decoder tells of each; nothing of one that works part by part.

    Raises
    ------
    PackageError : a package whose processing or decoder needs the whole image. DataError : NaN in the image.
    """
    model.package.input.refuse("yx")
    obstacle = _obstacle(model)
    if obstacle:
        raise PackageError(f"the image is too large for it: {obstacle}")
    choice = decoder_for(model.package, model.decoder)
    decoder: Any = find_decoder(choice.id, choice.version)
    settings = {**choice.params, **(params or {})}
    known = digest_of(
        model.package.digest,
        model.weights_format,
        model.precision,
        choice.id,
        choice.version,
        settings,
        POLICY,
        list(identity),
    )
    tiles = _Tiles(work, known, model, plane, decoder, settings)
    tiles.predict(progress=progress)
    for y in _bands(plane.shape[0]):  # what an earlier try may have left
        canvas[y, :] = np.zeros((y.stop - y.start, plane.shape[1]), np.int32)
    if hasattr(decoder, "collect"):
        return decoder.finish(tiles.collected(), plane.shape, canvas, **settings)
    return decode_in_parts(decoder, tiles.read, plane.shape, canvas, settings), {}


def _obstacle(model: "Model") -> str | None:
    """Why a model needs the whole image at once."""
    if model.sizing is not None:
        return "its objects would have to be brought to a size; --diameter off predicts it as it is"
    choice = decoder_for(model.package, model.decoder)
    decoder = find_decoder(choice.id, choice.version)
    if not hasattr(decoder, "support") and not hasattr(decoder, "collect"):
        return f"its decoder {choice.id} needs all maps at once"
    if restores(model.package, model.decoder) and model.package.input.channels != 1:
        return "it restores colour, which is done in memory"
    if model.padding == HALO and model.package.output.halo_px:
        return "it wants a halo around the whole image"
    try:
        teller(decoder, model.package, processing=model.processing)
        model.processing.begin_in_blocks(None)
    except PackageError as error:
        return str(error)
    return None


class _Tiles:
    """The tiles of one image, each a file in a folder once it is predicted."""

    def __init__(
        self, work: Path, known: str, model: "Model", plane: Plane, decoder: Any, settings: Mapping[str, Any]
    ) -> None:
        self._work, self._model, self._plane, self._decoder = work, model, plane, decoder
        given, output = model.package.input, model.package.output
        self._margin = output.margin_px
        axes = zip(plane.shape, given.sizes, model.halo_px, self._margin, strict=True)
        self._rows, self._columns = (spans(*axis) for axis in axes)
        self._settings = {name: value for name, value in settings.items() if name in parameters(self._collects())}
        about = work / "about.json"
        if not about.is_file() or json.loads(about.read_text(encoding="utf-8")).get("key") != known:
            shutil.rmtree(work, ignore_errors=True)
            atomic.write_text(about, json.dumps({"key": known, "image": plane.source}))

    def predict(self, *, progress: bool) -> None:
        """Predict every tile that is not there yet."""
        missing = [at for at in np.ndindex(len(self._rows), len(self._columns)) if not self._path(at).is_file()]
        if not missing:
            return
        channels, dtype = self._model.package.input.channels, self._model.package.input.dtype
        whole = (channels, *self._plane.shape)
        stat: dict[Any, NDArray[np.generic]] = {}

        def measure(measures: Sequence[Any]) -> Mapping[Any, NDArray[np.generic]]:
            stat.update(measured(self._raw_blocks, whole, measures, dtype))
            return stat

        processing = self._model.processing
        prepare, finish = processing.begin_in_blocks(measure)
        if of_image(self._decoder):
            self._settings |= processing.levels_in_blocks(stat)
        for at in track(missing, "predicting tiles", len(missing), show=progress):
            row, column = self._rows[at[0]], self._columns[at[1]]
            ready = prepare(self._raw(_inside(row, self._plane.shape[0]), _inside(column, self._plane.shape[1])))
            pads = [_beyond(span, n) for span, n in zip((row, column), self._plane.shape, strict=True)]
            out = self._model.run_tile(np.pad(ready, [(0, 0), *pads], mode="reflect"))
            self._store(at, out, finish)

    def collected(self) -> Sequence[Mapping[str, NDArray[np.generic]]]:
        """What the decoder's `collect` gave of each tile."""
        return [_Columns(self._path(at)) for at in np.ndindex(len(self._rows), len(self._columns))]

    def read(self, y: slice, x: slice) -> Array:
        """Maps (c, y, x) of a part of the image."""
        out: Array | None = None
        for (i, row), (j, column) in itertools.product(enumerate(self._rows), enumerate(self._columns)):
            top, bottom = max(y.start, row.keep), min(y.stop, row.keep_end)
            left, right = max(x.start, column.keep), min(x.stop, column.keep_end)
            if top >= bottom or left >= right:
                continue
            maps = np.load(self._path((i, j)), mmap_mode="r")
            if out is None:
                out = np.empty((len(maps), y.stop - y.start, x.stop - x.start), np.float32)
            out[:, top - y.start : bottom - y.start, left - x.start : right - x.start] = maps[
                :, top - row.keep : bottom - row.keep, left - column.keep : right - column.keep
            ]
        assert out is not None
        return out

    def _collects(self) -> Any:
        return getattr(self._decoder, "collect", None) or self._decoder.support

    def _path(self, at: tuple[int, ...]) -> Path:
        return self._work / f"{at[0]:04d}-{at[1]:04d}.{'npz' if hasattr(self._decoder, 'collect') else 'npy'}"

    def _store(self, at: tuple[int, ...], out: Array, finish: Any) -> None:
        row, column = self._rows[at[0]], self._columns[at[1]]
        if not np.isfinite(out).all():
            raise PackageError("its answer holds NaN or infinity")
        scale = (
            map_scale(out.shape[1], row.size, self._margin[0]),
            map_scale(out.shape[2], column.size, self._margin[1]),
        )
        (to_y, from_y), (to_x, from_x) = (
            kept_part(span, part, margin) for span, part, margin in zip((row, column), scale, self._margin, strict=True)
        )
        maps = finish(np.ascontiguousarray(out[:, from_y, from_x]))
        with atomic.new_file(self._path(at)) as path, path.open("wb") as file:
            if hasattr(self._decoder, "collect"):
                size = tuple(math.ceil(n * part) for n, part in zip(self._plane.shape, scale, strict=True))
                grid = tuple(max(1, round(full / part)) for full, part in zip(self._plane.shape, size, strict=True))
                place = (to_y.start, to_x.start)
                np.savez(file, **self._decoder.collect(maps, at=place, size=size, grid=grid, **self._settings))
            elif scale != (Fraction(1), Fraction(1)):
                raise PackageError(
                    "the image is too large for it: its maps are coarser, and its decoder scales them as a whole"
                )
            else:
                np.save(file, maps)

    def _raw(self, y: slice, x: slice) -> NDArray[np.generic]:
        """A part of the image as (c, y, x), as many channels as the package takes."""
        array = self._plane.read(y, x)
        if array.dtype == bool:
            array = array.astype(np.uint8)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DataError(f"{self._plane.source}: the image holds NaN or infinity")
        return to_channels(xr.DataArray(array, dims=tuple(self._plane.axes)), self._model.package.input.channels)

    def _raw_blocks(self) -> Iterator[NDArray[np.generic]]:
        """Every pixel once; of small integers the own dtype is kept, all others are cast as the package wants them."""
        height, width = self._plane.shape
        for y, x in itertools.product(range(0, height, _READ_PX), range(0, width, _READ_PX)):
            block = self._raw(slice(y, min(height, y + _READ_PX)), slice(x, min(width, x + _READ_PX)))
            cast = self._model.processing.cast(block)
            yield block if block.dtype.kind in "ui" and block.dtype.itemsize <= 2 else cast


class _Columns(Mapping[str, NDArray[np.generic]]):
    """A file of named arrays, read anew whenever one is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        with np.load(self._path, allow_pickle=False) as file:
            return file[name]

    def __iter__(self) -> Iterator[str]:
        with np.load(self._path, allow_pickle=False) as file:
            return iter(file.files)

    def __len__(self) -> int:
        return len(list(iter(self)))


def _inside(span: Span, length: int) -> slice:
    return slice(max(0, span.start), min(length, span.start + span.size))


def _beyond(span: Span, length: int) -> tuple[int, int]:
    return max(0, -span.start), max(0, span.start + span.size - length)


def _bands(height: int) -> list[slice]:
    return [slice(y, min(height, y + 512)) for y in range(0, height, 512)]
