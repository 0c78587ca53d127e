"""Tiles: which parts of an image a network sees, and which part of each answer is kept."""

import itertools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from zooscope.errors import PackageError

POLICY = "reflect-pad, whole up to 1024 px else 1024 px tiles@1"
"""Named in every run's key. Whole images are padded only up to a size that the package takes; halos are cut only
between tiles, never added around the image, because padding that a network did not expect changes its answer."""

MAX_TILE_PX = 1024
MAX_VOLUME_TILE_PX = (64, 256, 256)
"""Of volumes, along z, y and x."""

DEFAULT_HALO_PX = 32
"""Overlap cut off on each side of a tile when the package declares no halo."""

DEFAULT_DEPTH_HALO_PX = 8
"""The same along z."""

MOST_DEPTH_HALO_PX = 24
"""Along z where a package declares halos of y and x alone; more would leave little of a tile."""

BATCH_PX = 4 * MAX_TILE_PX**2
"""The most pixels in a batch of tiles."""

Array = Any
"""Of float32: a NumPy array, or a tensor of torch on a device."""


@dataclass(frozen=True)
class AxisSize:
    """Sizes that an axis may have: `minimum + k * step` pixels, or exactly `minimum` where step is 0."""

    minimum: int
    step: int = 0

    @property
    def align(self) -> int:
        """Tiles begin at multiples of this, so that pooling falls on the same pixels as in the whole image."""
        return self.step if self.step else math.gcd(self.minimum, 32)

    def at_least(self, length: int) -> int:
        """The smallest allowed size that holds `length`, or the only one."""
        if not self.step:
            return self.minimum
        return self.minimum + max(0, math.ceil((length - self.minimum) / self.step)) * self.step

    def at_most(self, length: int) -> int:
        """The largest allowed size up to `length`, at least the smallest one."""
        return self.minimum + max(0, (length - self.minimum) // self.step) * self.step if self.step else self.minimum


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in pixels of the image: it sees [start, start + size) and keeps [keep, keep_end)."""

    start: int
    size: int
    keep: int
    keep_end: int


def spans(length: int, size: AxisSize, halo: int, margin: int = 0, *, largest_px: int | None = None) -> list[Span]:
    """Tiles along an axis of `length` pixels; starts below 0 and ends beyond `length` are to be padded.

    None is larger than `largest_px` (by default MAX_TILE_PX), unless the smallest allowed size is.

    Parameters
    ----------
    margin : pixels that a network's answer lacks on each side of its tile, so tiles reach that far beyond the image.
        Less than 0 where the answer reaches beyond its tile.

    Raises
    ------
    PackageError : a halo that leaves nothing of a tile.
    """
    largest_px = largest_px or MAX_TILE_PX
    if margin > 0:
        around = spans(length + 2 * margin, size, halo + margin, largest_px=largest_px)
        return [
            Span(span.start - margin, span.size, max(0, span.keep - margin), min(length, span.keep_end - margin))
            for span in around
        ]
    whole = size.at_least(length)
    if whole >= length and (whole <= max(largest_px, size.minimum) or not size.step):
        return [Span(-((whole - length) // 2 // size.align * size.align), whole, 0, length)]
    tile = size.at_most(largest_px)
    stride = (tile - 2 * halo) // size.align * size.align
    if stride <= 0:
        raise PackageError(f"its halo of {halo} px leaves nothing of a tile of {tile} px")
    starts = [stride * k for k in range(math.ceil((length - tile) / stride) + 1)]
    last = math.ceil((length - tile) / size.align) * size.align
    starts = [*(start for start in starts if start < last), last]
    cuts = [0, *((a + tile + b) // 2 for a, b in itertools.pairwise(starts)), length]
    return [Span(start, tile, a, b) for start, a, b in zip(starts, cuts, cuts[1:], strict=False)]


def predict_tiled(
    network: Callable[[Array], Array],
    images: Sequence[Array],
    *,
    sizes: Sequence[AxisSize],
    halo: Sequence[int],
    margin: Sequence[int] = (0, 0),
    largest_px: int | None = None,
    batch: int = 1,
) -> list[Array]:
    """Run a network over images of one shape, tiles of any of them together in a batch, and stitch their maps.

    Images are written (c, y, x) here and may as well be volumes (c, z, y, x).

    Parameters
    ----------
    network : (b, c, y, x) of an allowed size -> (b, c', (y - 2 * margin) * scale, (x - 2 * margin) * scale).
    images : (c, y, x) each, already normalised as a whole; arrays, or tensors on a device, as the maps then are.
    sizes, halo, margin : of y and x; halo and margin in pixels of the image. The margin is what valid convolutions
        leave out on each side.
    largest_px : of a tile; MAX_TILE_PX by default, of volumes MAX_VOLUME_TILE_PX.
    batch : the most tiles in one, fewer where they would have more than BATCH_PX pixels.

    Returns
    -------
    Of each image its maps (c', ceil(y * scale), ceil(x * scale)), scale as the network gives it (1, or 1/2 for a grid
    of 2).

    Raises
    ------
    PackageError : an answer that is no map, is cropped, or holds NaN.
    """
    shape = images[0].shape[1:]
    largest = largest_tile(len(shape), largest_px)
    along = [
        spans(n, allowed, cut, lacking, largest_px=most)
        for n, allowed, cut, lacking, most in zip(shape, sizes, halo, margin, largest, strict=True)
    ]
    size = tuple(axis[0].size for axis in along)
    padded = [_padded(image, along) for image in images]
    tiles = list(itertools.product(range(len(images)), list(itertools.product(*along))))
    step = max(1, min(batch, BATCH_PX // math.prod(size)))
    maps: list[Array] = []
    scale: list[Fraction] = []
    for some in (tiles[i : i + step] for i in range(0, len(tiles), step)):
        seen = [padded[i][(slice(None), *_window(at, along))] for i, at in some]
        out = network(_stacked(seen))
        if out.ndim != 2 + len(shape) or not math.prod(out.shape):
            dimensions = "two" if len(shape) == 2 else "three"
            raise PackageError(
                f"its answer has shape {tuple(out.shape[1:])}; channels and {dimensions} dimensions are expected"
            )
        if not _finite(out):
            raise PackageError("its answer holds NaN or infinity")
        if not maps:
            scale = [map_scale(*item) for item in zip(out.shape[2:], size, margin, strict=True)]
            canvas = (out.shape[1], *(math.ceil(n * s) for n, s in zip(shape, scale, strict=True)))
            maps = [_empty(canvas, like=out) for _ in images]
        expected = (
            len(some),
            maps[0].shape[0],
            *((n - 2 * m) * s for n, m, s in zip(size, margin, scale, strict=True)),
        )
        if tuple(out.shape) != expected:
            raise PackageError(f"its answer to a tile has shape {tuple(out.shape[1:])}, unlike its first one")
        for (i, at), answer in zip(some, out, strict=True):
            kept = [kept_part(*item) for item in zip(at, scale, margin, strict=True)]
            maps[i][(slice(None), *(to for to, _ in kept))] = answer[(slice(None), *(part for _, part in kept))]
    return maps


def largest_tile(dimensions: int, largest_px: int | None = None) -> tuple[int, ...]:
    """The largest tile along each axis of an image or a volume; none is larger than `largest_px`."""
    if dimensions == 2:
        return (largest_px or MAX_TILE_PX,) * 2
    return tuple(min(edge, largest_px or edge) for edge in MAX_VOLUME_TILE_PX)


def _window(at: Sequence[Span], along: Sequence[Sequence[Span]]) -> tuple[slice, ...]:
    """What a tile sees of the padded image."""
    begins = [span.start - axis[0].start for span, axis in zip(at, along, strict=True)]
    return tuple(slice(begin, begin + span.size) for begin, span in zip(begins, at, strict=True))


def _padded(image: Array, along: Sequence[Sequence[Span]]) -> Array:
    """The image reflected as far as its tiles reach; it begins where the first of them does."""
    pads = [(-axis[0].start, max(0, axis[-1].start + axis[-1].size - n)) for axis, n in
            zip(along, image.shape[1:], strict=True)]  # fmt: skip
    if not any(map(any, pads)):
        return image
    if isinstance(image, np.ndarray):
        return np.pad(image, [(0, 0), *pads], mode="reflect")
    for axis, (n, pad) in enumerate(zip(image.shape[1:], pads, strict=True), start=1):
        if any(pad):
            places = sys.modules["torch"].as_tensor(np.pad(np.arange(n), pad, mode="reflect"), device=image.device)
            image = image.index_select(axis, places)
    return image


def _stacked(tiles: list[Array]) -> Array:
    """Always a copy: a network may work in place, and tiles overlap."""
    return (np if isinstance(tiles[0], np.ndarray) else sys.modules["torch"]).stack(tiles)


def _finite(array: Array) -> bool:
    return bool((np if isinstance(array, np.ndarray) else sys.modules["torch"]).isfinite(array).all())


def _empty(shape: tuple[int, ...], *, like: Array) -> Array:
    return np.empty(shape, np.float32) if isinstance(like, np.ndarray) else like.new_empty(shape)


def map_scale(out: int, size: int, margin: int) -> Fraction:
    if size <= 2 * margin:
        raise PackageError(f"its answer lacks {margin} px on each side, which leaves nothing of a tile of {size} px")
    scale = Fraction(out, size - 2 * margin)
    if scale.numerator != 1 and scale.denominator != 1:
        declared = f" and lacks {margin} px on each side by its description" if margin else ""
        raise PackageError(
            f"its answer to {size} px is {out} px{declared}: neither its description's size nor a whole fraction of it"
        )
    return scale


def kept_part(span: Span, scale: Fraction, margin: int) -> tuple[slice, slice]:
    """Where a tile's kept part lies on the canvas, and where in the tile's answer."""
    begin, end = math.ceil(span.keep * scale), math.ceil(span.keep_end * scale)
    shift = int((span.start + margin) * scale)
    return slice(begin, end), slice(begin - shift, end - shift)
