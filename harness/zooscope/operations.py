"""The spec's usual operations on plain arrays: what bioimageio.core computes, bit by bit, without its cost per image.

core's operations work on labelled arrays and measure some statistics several times, which takes 3 to 4 ms an image.
Here the same arithmetic, in the same dtypes and order, is done on the arrays themselves. Each function also takes a
tensor of torch on a GPU, where answers agree to the rounding of float32.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.predict.statistics import places

Stat = Mapping[Any, Any]
"""core's measures -> their values, which broadcast against the image."""

Step = Callable[[Any, Stat], Any]
"""(array, statistics of the image) -> array of the same shape."""


@dataclass(frozen=True)
class Usual:
    """Operations that can be run here.

    Attributes
    ----------
    pre, post : what is done to an image and to its maps, in order.
    measures : core's measures of the image, taken before anything is done to it.
    dims : names of the image's dimensions.
    """

    pre: tuple[Step, ...]
    post: tuple[Step, ...]
    measures: tuple[Any, ...]
    dims: tuple[str, ...]

    def measured(self, array: Any, raw: NDArray[np.generic] | None = None) -> Stat:
        """Statistics of an image, an array of `dims`.

        Parameters
        ----------
        raw : the same image (c, y, x) or volume (c, z, y, x) in the dtype that it came in: pixels of 8 or 16 bits are
            counted, not sorted.
        """
        found: dict[Any, Any] = {}
        for axes in {measure.axes for measure in self.measures}:
            reduced = tuple(i for i, dim in enumerate(self.dims) if axes is None or dim in set(map(str, axes)))
            same = [measure for measure in self.measures if measure.axes == axes]
            moments = [measure for measure in same if measure.name in ("mean", "std")]
            if moments:
                mean, std = _moments(array, reduced, over_data_set=moments[0].scope == "dataset")
                found |= {measure: mean if measure.name == "mean" else std for measure in moments}
            quantiles = [measure for measure in same if measure.name == "quantile"]
            if quantiles:
                found |= _quantiles(array, reduced, quantiles, self._countable(raw, reduced))
        return found

    def _countable(self, raw: NDArray[np.generic] | None, reduced: tuple[int, ...]) -> NDArray[np.generic] | None:
        """The pixels in rows, one for each value of a quantile; None where they cannot be counted."""
        if raw is None or raw.dtype not in (np.uint8, np.uint16) or len(self.dims) - len(reduced) > 2:
            return None
        if not {"y", "x", "z"}.intersection(self.dims) <= {self.dims[i] for i in reduced}:
            return None
        return raw.reshape(raw.shape[0] if "channel" not in {self.dims[i] for i in reduced} else 1, -1)


def usual(
    pre: Sequence[Any], post: Sequence[Any], *, member: str, dims: tuple[str, ...], out_dims: tuple[str, ...]
) -> Usual | None:
    """bioimageio.core's operations as those of this module; None where one is not usual, and core must run them all.

    Parameters
    ----------
    member : id of the input tensor, the only one that is measured.
    dims, out_dims : of the image and of its maps.
    """
    pre = [item for item in pre if type(item).__name__ != "UpdateStats"]
    measures = {measure: None for item in pre for measure in item.required_measures}
    names = {type(item).__name__ for item in (*pre, *post)}
    if not names <= set(_STEPS) or any(str(measure.member_id) != member for measure in measures):
        return None
    if any(item.required_measures for item in post):
        return None
    try:
        before, after = (
            tuple(_STEPS[type(item).__name__](item, along) for item in part)
            for part, along in ((pre, dims), (post, out_dims))
        )
    except _UnusualError:
        return None
    return Usual(before, after, tuple(measures), dims)


class _UnusualError(Exception):
    """Parameters of an operation that are left to core."""


def _binarize(operation: Any, dims: tuple[str, ...]) -> Step:
    if operation.axis is not None or not isinstance(operation.threshold, int | float):
        raise _UnusualError
    return lambda x, stat: x > operation.threshold


def _clip(operation: Any, dims: tuple[str, ...]) -> Step:
    low, high = operation.min, operation.max

    def step(x: Any, stat: Stat) -> Any:
        library = _library(x)
        if low in stat:
            x = library.where(x >= stat[low], x, stat[low])
        if high in stat:
            x = library.where(x <= stat[high], x, stat[high])
        bounds = [None if bound in stat else bound for bound in (low, high)]
        return x if bounds == [None, None] else library.clip(x, *bounds)

    return step


def _ensure_dtype(operation: Any, dims: tuple[str, ...]) -> Step:
    return lambda x, stat: as_dtype(x, operation.dtype)


def _scale_linear(operation: Any, dims: tuple[str, ...]) -> Step:
    gain, offset = _along(operation.gain, dims), _along(operation.offset, dims)
    return lambda x, stat: x * _beside(gain, x) + _beside(offset, x)


def _scale_range(operation: Any, dims: tuple[str, ...]) -> Step:
    def step(x: Any, stat: Stat) -> Any:
        lower, upper = stat[operation.lower], stat[operation.upper]
        return (x - lower) / (upper - lower + operation.eps)

    return step


def _sigmoid(operation: Any, dims: tuple[str, ...]) -> Step:
    return lambda x, stat: 1.0 / (1.0 + _library(x).exp(-x))


def _zero_mean_unit_variance(operation: Any, dims: tuple[str, ...]) -> Step:
    return lambda x, stat: (x - stat[operation.mean]) / (stat[operation.std] + operation.eps)


def _fixed_zero_mean_unit_variance(operation: Any, dims: tuple[str, ...]) -> Step:
    mean, std = _along(operation.mean, dims), _along(operation.std, dims)
    return lambda x, stat: (x - _beside(mean, x)) / (_beside(std, x) + operation.eps)


_STEPS: Mapping[str, Callable[[Any, tuple[str, ...]], Step]] = {
    "Binarize": _binarize,
    "Clip": _clip,
    "EnsureDtype": _ensure_dtype,
    "FixedZeroMeanUnitVariance": _fixed_zero_mean_unit_variance,
    "ScaleLinear": _scale_linear,
    "ScaleRange": _scale_range,
    "Sigmoid": _sigmoid,
    "ZeroMeanUnitVariance": _zero_mean_unit_variance,
}
"""core's classes of the usual operations."""


def as_dtype(array: Any, dtype: str) -> Any:
    """An array or tensor in a dtype by its name."""
    return (
        array.astype(dtype, copy=False) if isinstance(array, np.ndarray) else array.to(getattr(_library(array), dtype))
    )


def _along(value: Any, dims: tuple[str, ...]) -> Any:
    """A parameter, a number or an xarray along one dimension, as what broadcasts against an array of `dims`."""
    if isinstance(value, int | float) or value.ndim == 0:
        return value if isinstance(value, int | float) else value.to_numpy()
    if value.ndim > 1 or value.dims[0] not in dims:
        raise _UnusualError
    return value.to_numpy().reshape([-1 if dim == value.dims[0] else 1 for dim in dims])


def _beside(value: Any, x: Any) -> Any:
    """A parameter where the array is."""
    if isinstance(x, np.ndarray) or isinstance(value, int | float):
        return value
    return _library(x).as_tensor(value, dtype=x.dtype, device=x.device)


def _library(x: Any) -> Any:
    return np if isinstance(x, np.ndarray | np.generic) else sys.modules["torch"]


def _moments(x: Any, axes: tuple[int, ...], *, over_data_set: bool) -> tuple[Any, Any]:
    """Mean and standard deviation, of an image in its own dtype, as core has them; over a data set in float64."""
    if not isinstance(x, np.ndarray):
        exact = x.double()
        mean = exact.mean(axes, keepdim=True)
        std = (exact - mean).square().mean(axes, keepdim=True).sqrt()
        return mean.to(x.dtype), std.to(x.dtype)
    if over_data_set:
        x = x.astype(np.float64, copy=False)
    mean = x.mean(axis=axes)
    count = x.size // mean.size
    centred = x - np.expand_dims(mean, axes)
    if over_data_set:
        std = ((centred**2).sum(axis=axes) / count) ** 0.5
    else:
        last = np.moveaxis(centred, axes, range(-len(axes), 0))
        letters = "abcdefgh"[: len(axes)]
        std = np.sqrt(np.einsum(f"...{letters},...{letters}->...", last, last) / count)
    return np.expand_dims(mean, axes), np.expand_dims(std, axes)


def _quantiles(x: Any, axes: tuple[int, ...], measures: Sequence[Any], pixels: Any | None) -> dict[Any, Any]:
    """Quantiles in float64, as numpy.quantile has them."""
    found: dict[Any, Any] = {}
    shape = [1 if i in axes else n for i, n in enumerate(x.shape)]
    for method in {_method(measure) for measure in measures}:
        same = [measure for measure in measures if _method(measure) == method]
        if not isinstance(x, np.ndarray):
            kept = [i for i in range(x.ndim) if i not in axes]
            ordered = x.permute(*kept, *axes).reshape(*[x.shape[i] for i in kept], -1).sort(dim=-1).values
            at = [places(measure.q, ordered.shape[-1], method) for measure in same]
            values = [_between(ordered[..., low], ordered[..., high], part).reshape(shape) for low, high, part in at]
        elif pixels is not None:
            at = [places(measure.q, pixels.shape[1], method) for measure in same]
            below = [np.bincount(row).cumsum() for row in pixels]
            low, high = (
                [np.array([np.searchsorted(row, place[end], side="right") for row in below]) for place in at]
                for end in (0, 1)
            )
            values = [
                _between(a.astype(np.float64), b.astype(np.float64), part).reshape(shape)
                for a, b, (_, _, part) in zip(low, high, at, strict=True)
            ]
        else:
            values = np.quantile(x, [measure.q for measure in same], axis=axes, method=method, keepdims=True)
        found |= dict(zip(same, values, strict=True))
    return found


def _method(measure: Any) -> Any:
    return getattr(measure, "method", "linear")


def _between(low: Any, high: Any, part: float) -> Any:
    """A value `part` of the way between two, from the nearer of them as numpy.quantile computes it."""
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)
