"""Sizes that a description declares of its tensors: refused before anything is made of them where no image has such."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from zooscope.errors import PackageError

MAX_EDGE = 2**16
"""Of any axis of a tensor, channels too, in pixels; also of steps, halos and offsets."""

MAX_ELEMENTS = 2**29
"""Of the smallest tensor that a package takes: two gigabytes of float32."""

_NO_SIZES = ("preprocessing", "postprocessing", "data", "data_type", "data_range", "description", "channel_names")


def refuse_absurd_sizes(rdf: Mapping[str, Any]) -> None:
    """PackageError where inputs or outputs, in any format from 0.3 to 0.5, declare sizes that no image has."""
    for which in ("inputs", "outputs"):
        tensors = rdf.get(which)
        for tensor in tensors if isinstance(tensors, list) else ():
            for number in _integers(tensor):
                if abs(number) > MAX_EDGE:
                    raise PackageError(f"its {which} declare a size of {_shown(number)}; at most {MAX_EDGE} is run")
            least = math.prod(_least(tensor)) if isinstance(tensor, Mapping) else 0
            if least > MAX_ELEMENTS:
                raise PackageError(f"its {which} have at least {least} elements; at most {MAX_ELEMENTS} are run")


def _integers(part: Any) -> Iterator[int]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key not in _NO_SIZES:
                yield from _integers(value)
    elif isinstance(part, list):
        for value in part:
            yield from _integers(value)
    elif isinstance(part, int):
        yield part


def _least(tensor: Mapping[str, Any]) -> list[int]:
    """The smallest length of each axis, where it is told: `axes` with sizes (0.5) or a `shape` (before)."""
    shape, axes = tensor.get("shape"), tensor.get("axes")
    if isinstance(shape, Mapping):
        shape = shape.get("min")
    if not isinstance(shape, list) and isinstance(axes, list):
        sizes = [axis.get("size") for axis in axes if isinstance(axis, Mapping)]
        shape = [size.get("min") if isinstance(size, Mapping) else size for size in sizes]
    return [number for number in shape if isinstance(number, int)] if isinstance(shape, list) else []


def _shown(number: int) -> str:
    return str(number) if abs(number) < 10**12 else "10^12 or more"
