"""Statistics of an image too large for memory: mean, standard deviation and exact quantiles of what comes in blocks."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import PackageError

Blocks = Callable[[], Iterable[NDArray[np.generic]]]
"""Makes the blocks (c, y, x) of an image, each pixel once; called once a pass."""


def measured(
    blocks: Blocks, shape: tuple[int, int, int], measures: Sequence[Any], dtype: str
) -> dict[Any, NDArray[np.generic]]:
    """Values of bioimageio.core's measures over a whole image.

    Means are combined from those of blocks in float64 (Chan, Golub, LeVeque 1983, doi:10.1080/00031305.1983.10483115).
    Quantiles are exact: each order statistic is found by its bits, 16 at a time from the highest, from a histogram of
    the pixels that share the bits found so far. So images of 8 and 16 bits take one pass, of 32 bits two.

    Parameters
    ----------
    measures : each with `name` (mean, std, quantile), `axes` (None for all), for a quantile `q` and `method`.
    shape : (c, y, x) of the whole image.
    dtype : what the blocks' values are taken as; blocks of 8 and 16 bits may have their own.

    Returns
    -------
    For each measure its value, an array over the dims batch and channel that it does not reduce.

    Raises
    ------
    PackageError : a statistic that is not one of the whole image.
    """
    found: dict[Any, NDArray[np.generic]] = {}
    for by_channel in (False, True):
        group = [measure for measure in measures if _by_channel(measure) == by_channel]
        moments = [measure for measure in group if measure.name in ("mean", "std")]
        if moments:
            mean, std = _moments(blocks, by_channel)
            for measure in moments:
                value = mean if measure.name == "mean" else std
                exact = measure.scope == "dataset" or np.dtype(dtype).kind != "f"
                found[measure] = _shaped(value.astype(np.float64 if exact else dtype), measure)
        quantiles = [measure for measure in group if measure.name == "quantile"]
        if quantiles:
            for measure, value in zip(quantiles, _quantiles(blocks, shape, quantiles, dtype, by_channel), strict=True):
                found[measure] = _shaped(value, measure)
    return found


def _by_channel(measure: Any) -> bool:
    if measure.name not in ("mean", "std", "quantile"):
        raise PackageError(f"the image is too large for it: its processing needs the statistic '{measure.name}'")
    axes = measure.axes
    if axes is not None and not {"y", "x"} <= {str(axis) for axis in axes}:
        raise PackageError(f"the image is too large for it: its processing needs statistics along {', '.join(axes)}")
    return axes is not None and "channel" not in {str(axis) for axis in axes}


def _shaped(value: NDArray[np.generic], measure: Any) -> NDArray[np.generic]:
    """(channels,) -> the dims batch and channel that are left."""
    axes = None if measure.axes is None else {str(axis) for axis in measure.axes}
    if axes is None:
        return value.reshape(())
    left = [n for name, n in (("batch", 1), ("channel", len(value))) if name not in axes]
    return value.reshape(left)


def _moments(blocks: Blocks, by_channel: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for block in blocks():
        values = (block if by_channel else block.reshape(1, -1, 1)).astype(np.float64)
        n = values[0].size
        own = values.mean(axis=(1, 2))
        spread = ((values - own[:, None, None]) ** 2).sum(axis=(1, 2))
        apart = own - mean
        squares = squares + spread + apart**2 * (count * n / (count + n))
        mean = mean + apart * (n / (count + n))
        count += n
    return mean, np.sqrt(squares / count)


def _quantiles(
    blocks: Blocks, shape: tuple[int, int, int], measures: Sequence[Any], dtype: str, by_channel: bool
) -> list[NDArray[np.float64]]:
    """One value a channel for each measure."""
    channels, total = (shape[0], shape[1] * shape[2]) if by_channel else (1, math.prod(shape))
    at = [places(measure.q, total, getattr(measure, "method", "linear")) for measure in measures]
    ranks = sorted({rank for low, high, _ in at for rank in (low, high)})
    values = _order_statistics(blocks, ranks, channels).astype(dtype).astype(np.float64)
    out: list[NDArray[np.float64]] = []
    for low, high, part in at:
        a, b = (values[:, ranks.index(rank)] for rank in (low, high))
        out.append(a + (b - a) * part if part < 0.5 else b - (b - a) * (1 - part))
    return out


def places(q: float, total: int, method: str) -> tuple[int, int, float]:
    """Ranks below and above a quantile, and how far it lies between them, as numpy.quantile defines them."""
    if method == "inverted_cdf":
        rank = min(total - 1, max(0, math.ceil(total * q - 1)))
        return rank, rank, 0.0
    if method != "linear":
        raise PackageError(f"the image is too large for it: its quantiles are '{method}'")
    at = (total - 1) * q
    low = math.floor(at)
    return low, min(low + 1, total - 1), at - low


def _order_statistics(blocks: Blocks, ranks: Sequence[int], channels: int) -> NDArray[np.generic]:
    """The values (channels, ranks) that stand at these ranks of the sorted pixels."""
    dtype = next(iter(blocks())).dtype
    bits = max(16, dtype.itemsize * 8)
    prefix = np.zeros((channels, len(ranks)), np.uint64)  # the bits found so far
    left = np.tile(np.array(ranks, np.int64), (channels, 1))  # rank among the pixels that share them
    for shift in range(bits - 16, -1, -16):
        counts: dict[tuple[int, int], NDArray[np.int64]] = {}
        for block in blocks():
            for channel, keys in enumerate(_keys(block).reshape(channels, -1)):
                for known in np.unique(prefix[channel]):
                    inside = keys if shift == bits - 16 else keys[(keys >> np.uint64(shift + 16)) == known]
                    digits = ((inside >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64)
                    found = np.bincount(digits, minlength=2**16)
                    counts[channel, int(known)] = counts.get((channel, int(known)), 0) + found
        digit = np.zeros_like(prefix)
        for at in np.ndindex(*prefix.shape):
            below = np.concatenate([[0], np.cumsum(counts[at[0], int(prefix[at])])])
            digit[at] = np.searchsorted(below, left[at], side="right") - 1
            left[at] -= below[int(digit[at])]
        prefix = (prefix << np.uint64(16)) | digit
    return _values(prefix, dtype)


def _keys(block: NDArray[np.generic]) -> NDArray[np.uint64]:
    """Whole numbers in the order of the values: of floats the IEEE 754 bits, turned around where they are negative."""
    bits = block.dtype.itemsize * 8
    if block.dtype.kind == "u":
        return block.astype(np.uint64)
    raw = np.ascontiguousarray(block).view(f"u{block.dtype.itemsize}").astype(np.uint64)
    sign, ones = np.uint64(1 << (bits - 1)), np.uint64((1 << bits) - 1)
    if block.dtype.kind == "i":
        return raw ^ sign
    return np.where(raw & sign, raw ^ ones, raw ^ sign)


def _values(keys: NDArray[np.uint64], dtype: np.dtype[Any]) -> NDArray[np.generic]:
    """The inverse of `_keys`."""
    bits = dtype.itemsize * 8
    if dtype.kind == "u":
        return keys.astype(dtype)
    sign, ones = np.uint64(1 << (bits - 1)), np.uint64((1 << bits) - 1)
    raw = keys ^ sign if dtype.kind == "i" else np.where(keys & sign, keys ^ sign, keys ^ ones)
    return raw.astype(f"u{dtype.itemsize}").view(dtype)
