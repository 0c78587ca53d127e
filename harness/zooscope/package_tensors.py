"""The one input and the one output of a package, as its description (in the spec's newest format) declares them."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from zooscope.errors import PackageError
from zooscope.predict.tiling import AxisSize

_LETTERS = {"batch": "b", "channel": "c", "time": "t", "index": "i"}


@dataclass(frozen=True)
class InputTensor:
    """The one input.

    Attributes
    ----------
    axes : as in "bcyx"; of axes beside these t and i have one element, z too unless there is a `depth`.
    names : of the axes beyond batch, channel, y and x, as the description names them.
    sizes : allowed ones of y and x.
    depth : allowed sizes of z, of a network that takes volumes.
    dtype : that the package declares.
    pad_mode, pad_value : how bioimageio.core would pad it, in NumPy's words.
    """

    id: str
    axes: str
    channels: int
    sizes: tuple[AxisSize, AxisSize]
    dtype: str
    names: tuple[str, ...] = ()
    pad_mode: str = "symmetric"
    pad_value: float = 0.0
    depth: AxisSize | None = None

    def refuse(self, space: str) -> None:
        """PackageError where an image with these axes of space, "yx" or "zyx", is none of its network's."""
        if space == "yx" and self.depth is not None and self.depth.minimum > 1:
            least = f"{self.depth.minimum}{' or more' if self.depth.step else ''}"
            raise PackageError(f"takes volumes, with a z of {least}; the images are 2D")
        if space == "zyx" and self.depth is None:
            raise PackageError("takes 2D images; this one is a volume")

    def sizes_of(self, space: str) -> tuple[AxisSize, ...]:
        """Allowed sizes along "yx" or "zyx"."""
        return self.sizes if self.depth is None or space == "yx" else (self.depth, *self.sizes)


@dataclass(frozen=True)
class OutputTensor:
    """The one output.

    Attributes
    ----------
    axes, names : as of the input.
    halo_px : in pixels of the image; None where undeclared.
    margin_px : what the answer lacks on each side of the input, in pixels of the image; less than 0 where it reaches
        beyond.
    depth_halo_px, depth_margin_px : the same along z, of a network that gives volumes.
    """

    id: str
    axes: str
    channels: int
    halo_px: tuple[int, int] | None
    margin_px: tuple[int, int] = (0, 0)
    names: tuple[str, ...] = ()
    depth_halo_px: int = 0
    depth_margin_px: int = 0

    def halo_of(self, space: str) -> tuple[int, ...] | None:
        """The halo along "yx" or "zyx"; None where undeclared."""
        return self.halo_px if self.halo_px is None or space == "yx" else (self.depth_halo_px, *self.halo_px)

    def margin_of(self, space: str) -> tuple[int, ...]:
        """The margin along "yx" or "zyx"."""
        return self.margin_px if space == "yx" else (self.depth_margin_px, *self.margin_px)


def input_tensor(descr: Any) -> InputTensor:
    """The input; PackageError where neither an image nor a volume of one sample fits it."""
    axes, names, channels, sizes = _axes(descr, "input")
    deep = "z" in sizes and sizes["z"] != 1 and not hasattr(sizes["z"], "axis_id")
    padding = getattr(descr, "pad", None)
    return InputTensor(
        str(descr.id),
        axes,
        channels,
        (_size(sizes["y"], sizes), _size(sizes["x"], sizes)),
        descr.dtype,
        names,
        str(getattr(padding, "mode", "symmetric")),
        float(getattr(padding, "value", 0.0)),
        _size(sizes["z"], sizes) if deep else None,
    )


def output_tensor(descr: Any, given: Any, tested_channels: int | None) -> OutputTensor:
    """The output; `given` is the input's description; PackageError where it is no map of an image or a volume."""
    axes, names, channels, sizes = _axes(descr, "output")
    scales = {str(axis.id): _grid(axis, given) for axis in descr.axes if axis.type == "space"}
    halos = {str(axis.id): math.ceil((getattr(axis, "halo", 0) or 0) * scales.get(str(axis.id), 1))
             for axis in descr.axes}  # fmt: skip
    halo = (halos["y"], halos["x"]) if halos["y"] or halos["x"] else None
    given_sizes = {str(axis.id): getattr(axis, "size", None) for axis in given.axes}
    margins = {axis: _margin(sizes[axis], given_sizes.get(axis), scale, axis) for axis, scale in scales.items()}
    return OutputTensor(
        str(descr.id),
        axes,
        tested_channels or channels,
        halo,
        (margins["y"], margins["x"]),
        names,
        halos.get("z", 0),
        margins.get("z", 0),
    )


def _grid(axis: Any, given: Any) -> float:
    """Pixels of the image to one of the map."""
    scale = next((float(other.scale) for other in given.axes if str(other.id) == str(axis.id)), 1.0)
    return float(axis.scale) / scale


def _margin(size: Any, given: Any, grid: float, axis: str) -> int:
    """Of an offset n, n / 2 pixels of the map lie on each side; of two fixed sizes, half their difference."""
    if hasattr(size, "offset"):
        lacking = -Fraction(size.offset)
    elif isinstance(size, int) and isinstance(given, int) and (grid != 1 or (given % size and size % given)):
        lacking = Fraction(given) / Fraction(grid).limit_denominator(1000) - size
    else:
        return 0  # the network's own answer will tell
    margin = lacking * Fraction(grid).limit_denominator(1000) / 2
    if margin.denominator != 1:
        raise PackageError(
            f"its output lacks {float(2 * margin):g} px of {axis}: where it lies on the image is not said"
        )
    return int(margin)


def _axes(descr: Any, which: str) -> tuple[str, tuple[str, ...], int, dict[str, Any]]:
    letters, names, channels, sizes = "", list[str](), 1, dict[str, Any]()
    for axis in descr.axes:
        letter = _LETTERS.get(axis.type, str(axis.id))
        size = getattr(axis, "size", None)
        if letter not in "bcyxzti" or letter in letters:
            raise PackageError(f"its {which} has an axis '{axis.id}'; batch, channel, z, y and x are run")
        if letter == "c":
            channels = len(axis.channel_names)
        elif letter == "b":
            if (size or 1) != 1:
                raise PackageError(f"its {which} wants a batch of exactly {size}")
        elif letter in "zti":
            if letter != "z" and not _may_be_one(size):
                raise PackageError(
                    f"its {which} has an axis '{axis.id}' of {_told(size)}; one image is given, so of one"
                )
            names.append(str(axis.id))
        letters += letter
        sizes[letter] = size
    if not {"y", "x"} <= set(letters):
        raise PackageError(f"its {which} has axes '{letters}'; y and x are expected")
    return letters, tuple(names), channels, sizes


def _may_be_one(size: Any) -> bool:
    if hasattr(size, "tensor_id"):  # as large as an axis of the input, which may be one
        return True
    return size == 1 or getattr(size, "min", None) == 1


def _told(size: Any) -> str:
    return f"{size.min} or more" if hasattr(size, "min") else str(size)


def _size(size: Any, sizes: dict[str, Any]) -> AxisSize:
    if hasattr(size, "axis_id") and not size.offset and isinstance(sizes.get(str(size.axis_id)), int):
        size = sizes[str(size.axis_id)]
    if isinstance(size, int):
        return AxisSize(size)
    if hasattr(size, "min") and hasattr(size, "step"):
        return AxisSize(int(size.min), int(size.step))
    raise PackageError("its input's size depends on another axis; fixed and stepped sizes are run")
