"""What a package promises of its answer, and whether an answer keeps that."""

import math
from fractions import Fraction
from typing import Any

from zooscope.errors import PackageError


def refuse_broken_promise(maps_shape: tuple[int, ...], image_shape: tuple[int, ...], package: Any) -> None:
    """PackageError where maps (c, y, x) of an image (c, y, x) have other channels or another scale than declared.

    Of a volume both are (c, z, y, x).
    """
    if maps_shape[0] != package.output.channels:
        raise PackageError(f"its network gives {_channels(maps_shape[0])}, it declares {package.output.channels}")
    (given,), (output,) = package.description.inputs, package.description.outputs
    for axis, found, size in zip("zyx"[-len(maps_shape) + 1 :], maps_shape[1:], image_shape[1:], strict=True):
        scale = _declared_scale(_axis(given, axis), _axis(output, axis))
        if scale is not None and math.ceil(size * scale) != found:
            told = f"{float(scale):g} of the image" if scale != 1 else "the size of the image"
            raise PackageError(f"its network gives {found} px along {axis} for {size}, it declares {told}")


def _declared_scale(given: Any, output: Any) -> Fraction | None:
    """Pixels of the map to one of the image; None where other words than a plain scale declare its size.

    Where a size refers to another, it is that one's times the ratio of the axes' scales (spec 0.5, SizeReference).
    """
    size = output.size
    if hasattr(size, "axis_id") and str(size.axis_id) == str(given.id) and not size.offset:
        return (Fraction(given.scale) / Fraction(output.scale)).limit_denominator(1000)
    if isinstance(size, int) and isinstance(given.size, int):
        scale = Fraction(size, given.size)
        return scale if 1 in (scale.numerator, scale.denominator) else None
    return None


def _axis(tensor: Any, id: str) -> Any:
    return next(axis for axis in tensor.axes if str(axis.id) == id)


def _channels(count: int) -> str:
    return f"{count} channel" + "s" * (count != 1)
