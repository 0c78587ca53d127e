"""Stack: an image file opened. Its planes, or its volumes, are read where and when they are asked for."""

import contextlib
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import DataError, UsageError
from zooscope.imagefile import SUFFIXES, read_array
from zooscope.tiffpixels import open_tiff
from zooscope.zarrpixels import is_zarr, open_zarr

READS = (*SUFFIXES, ".zarr")
AXES = "tzcyxs"
"""Letters of axes: time, z, fluorescence channel, y, x, and s, the samples of a colour."""


class Pixels(Protocol):
    """What holds an image's pixels: an array in memory or on disk, cut by integers and slices."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    @property
    def dtype(self) -> Any:
        """Of the pixels."""
        ...

    def __getitem__(self, index: Any, /) -> Any:
        """The pixels there, as an array."""
        ...


@dataclass(frozen=True)
class PixelSize:
    """Edges of a pixel in micrometres and seconds between times, each where the file tells it."""

    y_um: float | None = None
    x_um: float | None = None
    z_um: float | None = None
    t_s: float | None = None


@dataclass(frozen=True)
class Plane:
    """One 2D image of a stack, or one volume of it, which has a "z".

    Attributes
    ----------
    source : its file and where it lies there, for errors.
    where : for each axis of `pixels` a position, or "z", "y", "x" or "s".
    """

    source: str
    pixels: Pixels = field(repr=False)
    where: tuple[int | str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Length of y and x."""
        y, x = (self.pixels.shape[self.where.index(letter)] for letter in "yx")
        return y, x

    @property
    def axes(self) -> str:
        """What `read` gives: "yx", "yxc" for a colour image, or "zyx"."""
        return "zyx" if "z" in self.where else "yxc" if "s" in self.where else "yx"

    def read(self, y: slice = slice(None), x: slice = slice(None)) -> NDArray[np.generic]:
        """Pixels (y, x), (y, x, c) or (z, y, x) of a part of the plane."""
        cut = {"z": slice(None), "y": y, "x": x, "s": slice(0, 3)}
        try:
            array = np.asarray(self.pixels[tuple(cut[part] if isinstance(part, str) else part for part in self.where)])
        except (OSError, ValueError, RuntimeError, KeyError) as error:  # what decoders of damaged files raise
            raise DataError(f"{self.source}: cannot be read ({' '.join(str(error).split())[:200]})") from error
        letters = [part for part in self.where if isinstance(part, str)]
        return array.transpose([letters.index(letter) for letter in self.axes.replace("c", "s")])


@dataclass(frozen=True)
class Stack:
    """An image file opened: planes (y, x) along axes of time and z.

    Attributes
    ----------
    axes : of the file's pixels, letters of `AXES`.
    channel : which fluorescence channel is meant; its axis is not one of the planes'.
    """

    source: str
    pixels: Pixels = field(repr=False)
    axes: str
    pixel_size: PixelSize
    channel: int | None = None

    @property
    def lead(self) -> str:
        """Axes along which planes lie: "", "t", "z", "tz" or "zt"; those of length 1 are left out."""
        return "".join(
            letter for letter, n in zip(self.axes, self.pixels.shape, strict=True) if letter in "tz" and n > 1
        )

    @property
    def depth(self) -> int:
        """Planes along z; 0 of an image without."""
        return self.pixels.shape[self.axes.index("z")] if "z" in self.axes else 0

    @property
    def lead_shape(self) -> tuple[int, ...]:
        """Length of each of them."""
        return tuple(self.pixels.shape[self.axes.index(letter)] for letter in self.lead)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the label image: the planes', then y and x."""
        y, x = (self.pixels.shape[self.axes.index(letter)] for letter in "yx")
        return (*self.lead_shape, y, x)

    def __len__(self) -> int:
        """How many planes."""
        return math.prod(self.lead_shape)

    def __iter__(self) -> Iterator[Plane]:
        """The planes, the last of the axes fastest."""
        for at in np.ndindex(*self.lead_shape):
            known = dict(zip(self.lead, (int(i) for i in at), strict=True))
            known |= {"c": self.channel or 0} if self.axes.count("c") else {}
            where = tuple(
                letter if letter in "yx" or (letter == "s" and n > 1) else known.get(letter, 0)
                for letter, n in zip(self.axes, self.pixels.shape, strict=True)
            )
            told = "".join(f", {letter} {i}" for letter, i in known.items() if letter in self.lead)
            yield Plane(f"{self.source}{told}", self.pixels, where)


def volumes(stack: Stack) -> Iterator[Plane]:
    """The volumes (z, y, x) of a stack, one for each time.

    Raises
    ------
    DataError : an image without z, or of colour.
    """
    if stack.axes.count("z") == 0 or "s" in stack.axes:
        raise DataError(f"{stack.source}: its axes are {stack.axes}; a gray volume, with a z, is expected")
    times = stack.pixels.shape[stack.axes.index("t")] if "t" in stack.axes else 1
    for time in range(times):
        known = {"t": time, "c": stack.channel or 0}
        where = tuple(letter if letter in "zyx" else known.get(letter, 0) for letter in stack.axes)
        yield Plane(stack.source + (f", t {time}" if times > 1 else ""), stack.pixels, where)


@contextlib.contextmanager
def open_stack(path: Path, *, axes: str | None = None, channel: int | None = None) -> Generator[Stack]:
    """Open an image file or a zarr folder; nothing large is read.

    Parameters
    ----------
    axes : letters of `AXES` for the file's own axes, where it does not tell them or tells them wrong.
    channel : which of several fluorescence channels, counted from 0; of a colour image red, green or blue.

    Raises
    ------
    DataError : a file that cannot be read, axes that are unknown or others, several channels and none named.
    UsageError : `channel` or `axes` that do not fit, a zarr file without the package zarr.
    """
    with contextlib.ExitStack() as opened:
        pixels, told, size, names = _open(path, opened)
        letters = _checked(axes, pixels.shape, path) if axes else _understood(told, pixels.shape, path)
        if np.dtype(pixels.dtype).kind not in "buif":
            raise DataError(f"{path}: pixels of dtype {pixels.dtype}; integers or floats are expected")
        if 0 in pixels.shape:
            raise DataError(f"{path}: the image of shape {tuple(pixels.shape)} has no pixels")
        pixels, letters, channel = _one_channel(pixels, letters, channel, names, path)
        yield Stack(str(path), pixels, letters, PixelSize(**size), channel)


def plane_of(array: NDArray[np.generic], axes: str) -> Plane:
    """The plane that an array (y, x) or (y, x, c) in memory is."""
    return Plane("the array", array, tuple(axes.replace("c", "s")))


class _OneSample:
    """One of the colours of an image, without their axis."""

    def __init__(self, pixels: Pixels, axis: int, sample: int) -> None:
        self._pixels, self._axis, self._sample = pixels, axis, sample
        self.dtype: Any = pixels.dtype
        self.shape = tuple(n for i, n in enumerate(pixels.shape) if i != axis)

    def __getitem__(self, index: Any, /) -> Any:
        index = list(index)
        index.insert(self._axis, self._sample)
        return self._pixels[tuple(index)]


def _open(path: Path, opened: contextlib.ExitStack) -> tuple[Pixels, str, dict[str, float | None], tuple[str, ...]]:
    """Pixels, axes (? is unknown), pixel size and names of channels."""
    if path.is_dir() and is_zarr(path):
        return open_zarr(path)
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff") and path.is_file():
        return opened.enter_context(open_tiff(path))
    if suffix == ".npy" and path.is_file():
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:
            raise DataError(f"{path}: cannot be read as npy ({' '.join(str(error).split())})") from error
    else:
        array = read_array(path)
    return array, "?" * array.ndim, {}, ()


def _checked(axes: str, shape: tuple[int, ...], path: Path) -> str:
    letters = axes.lower()
    if set(letters) - set(AXES) or len(set(letters)) < len(letters) or not {"y", "x"} <= set(letters):
        raise UsageError(
            f"--axes {axes}: y and x are expected, and of t, z, c (channel) and s (red, green, blue) each once"
        )
    if len(letters) != len(shape):
        raise UsageError(f"--axes {axes}: {len(letters)} axes; {path} has an array of shape {tuple(shape)}")
    return letters


def _understood(told: str, shape: tuple[int, ...], path: Path) -> str:
    """The file's axes as letters of `AXES`; pages of a TIFF that tells nothing of them lie along z."""
    letters = list(told.lower())
    long = [i for i, n in enumerate(shape) if n > 1 or letters[i] in "yx"]
    unknown = [i for i in long if letters[i] in "?qi"]
    if len(shape) == 2:
        return "yx"
    if "y" not in letters or (len(long) == 3 and long[-1] in unknown and shape[long[-1]] in (3, 4)):
        # arrays that name no axes, and colour images that were written as gray pages
        if len(long) == 2 or (len(long) == 3 and shape[long[-1]] in (3, 4)):
            for i, letter in zip(long, "yxs", strict=False):
                letters[i] = letter
        elif len(long) < 2 and len(shape) - len(long) >= 2 - len(long):
            raise DataError(f"{path}: an array of shape {tuple(shape)}; one 2D image, gray or RGB, is expected")
        else:
            raise DataError(
                f"{path}: an array of shape {tuple(shape)} whose axes are not told; name them, say --axes "
                f"{'tzcyx'[-len(shape) :] if len(shape) <= 5 else 'tzcyx'}"
            )
    free = [letter for letter in "zt" if letter not in letters]
    for i in long:
        if letters[i] in "?qi" and free:
            letters[i] = free.pop(0)
    spare = iter("".join(letter for letter in AXES if letter not in letters) + "??????")
    letters = [letter if letter in AXES or i in long else next(spare) for i, letter in enumerate(letters)]
    if set(letters) - set(AXES) or not {"y", "x"} <= set(letters) or len(set(letters)) < len(letters):
        raise DataError(
            f"{path}: an array of shape {tuple(shape)} with axes {told}; time, z, channel, y and x are read"
        )
    return "".join(letters)


def _one_channel(
    pixels: Pixels, axes: str, channel: int | None, names: tuple[str, ...], path: Path
) -> tuple[Pixels, str, int | None]:
    """Pixels with one channel, or three colours."""
    count = pixels.shape[axes.index("c")] if "c" in axes else 1
    samples = pixels.shape[axes.index("s")] if "s" in axes else 1
    if samples not in (1, 3, 4):
        raise DataError(f"{path}: {samples} samples a pixel; gray (1) or red, green, blue (3) are expected")
    limit = count if count > 1 else samples
    if channel is not None and not 0 <= channel < limit:
        raise UsageError(f"--channel {channel}: {path} has {limit} channel{'s' * (limit > 1)}, counted from 0")
    if count > 1:
        if channel is None:
            named = ", ".join(f"{i} is {name}" for i, name in enumerate(names[:8])) if len(names) == count else ""
            raise DataError(
                f"{path}: {count} channels{f' ({named})' if named else ''}; choose one with --channel, counted from 0"
            )
        return pixels, axes, channel
    if samples > 1 and channel is not None:
        axis = axes.index("s")
        return _OneSample(pixels, axis, channel), axes.replace("s", ""), None
    return pixels, axes, None
