"""Checkpoints of Cellpose 1 to 3: the state dict of its residual U-Net ("CPnet"), under our network's names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from zooscope.errors import DataError, UsageError
from zooscope_zoo.cellpose.method import CellposeConfig
from zooscope_zoo.cellpose.network import CellposeNetwork

_DIAMETERS = ("diam_mean", "diam_labels")
"""What a checkpoint holds beside the network: the diameter that images are brought to, and that of its training set."""

_FIRST = "downsample.down.res_down_0.conv.conv_0.2.weight"
_RESIDUAL = re.compile(r"downsample\.down\.res_down_(\d+)\.conv\.conv_0\.2\.weight")
_PART = re.compile(r"(down|up)\.(\d+)\.(shortcut|convolutions|styles)\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Checkpoint:
    """A network of Cellpose's.

    Attributes
    ----------
    weights : by the names of `CellposeNetwork`. diameter_px : that images are brought to; None where it is not told.
    """

    config: CellposeConfig
    weights: Mapping[str, Tensor]
    diameter_px: float | None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint as tensors alone; nothing that is pickled in it runs.

    Raises
    ------
    DataError : no file, no PyTorch file, or one with code. UsageError : tensors of another network.
    """
    found = _tensors(path)
    found = {name.removeprefix("module."): value for name, value in found.items()}  # of several GPUs
    blocks = [int(match[1]) for match in map(_RESIDUAL.fullmatch, found) if match]
    if not blocks:
        kind = "Cellpose 4 (SAM)" if any(name.startswith("encoder.") for name in found) else "another network"
        raise UsageError(f"{path}: weights of {kind}; those of Cellpose 1 to 3, a residual U-Net, are converted")
    config = _config(path, found, depth=max(blocks))
    weights: dict[str, Tensor] = {}
    for name, own in CellposeNetwork(**config.model_dump()).state_dict().items():
        theirs = upstream_name(name, depth=config.depth)
        value = found.pop(theirs, None)
        if value is None or value.shape != own.shape:
            there = "is missing" if value is None else f"has shape {tuple(value.shape)}, not {tuple(own.shape)}"
            raise UsageError(f"{path}: not a network that can be converted: its '{theirs}' {there}")
        if not value.isfinite().all():
            raise DataError(f"{path}: '{theirs}' is not finite")
        weights[name] = value.to(own.dtype)
    diameter = found.get("diam_mean")
    if left := sorted(found.keys() - set(_DIAMETERS)):
        raise UsageError(f"{path}: not a network that can be converted: '{left[0]}' has no place in ours")
    told = None if diameter is None or not diameter.numel() else float(diameter.flatten()[0])
    return Checkpoint(config, weights, told)


def upstream_name(name: str, *, depth: int) -> str:
    """Cellpose's name of a tensor of `CellposeNetwork`; on the way up it counts from the finest level."""
    part = _PART.fullmatch(name)
    if part is None:
        return name.replace("head.", "output.")
    way, level, kind, place, rest = part[1], int(part[2]), part[3], int(part[4]), part[5]
    level, side = (level, "downsample") if way == "down" else (depth - level, "upsample")
    block = f"{side}.{way}.res_{way}_{level}"
    if kind == "shortcut":
        return f"{block}.proj.{place}.{rest}"
    if kind == "styles":
        return f"{block}.conv.conv_{place + 1}.full.{rest}"
    inner = ".conv" if way == "up" and place else ""  # beside the style's layer, which the first has not
    return f"{block}.conv.conv_{place}{inner}.{rest}"


def _tensors(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file of another kind makes the reader raise
        raise DataError(f"{path}: no PyTorch file that holds tensors alone") from error
    if not (isinstance(found, Mapping) and found and all(isinstance(value, Tensor) for value in found.values())):
        raise DataError(f"{path}: no state dict (tensors by name)")
    return {str(name): value for name, value in found.items()}


def _config(path: Path, found: Mapping[str, Tensor], *, depth: int) -> CellposeConfig:
    first, last = found.get(_FIRST), found.get("output.2.weight")
    if first is None or first.ndim != 4:
        there = "is missing" if first is None else f"has shape {tuple(first.shape)}, not four dimensions"
        raise UsageError(f"{path}: not a network that can be converted: its '{_FIRST}' {there}")
    width, channels = first.shape[:2]
    if channels not in (1, 2):
        raise UsageError(f"{path}: a network of {channels} channels; those of one or two are converted")
    maps = last.shape[0] if last is not None and last.ndim else 0
    if maps != 3:
        raise UsageError(f"{path}: a network with {maps} maps; flow y, flow x and the cell probability are expected")
    style = any(".full." in name for name in found)
    try:
        return CellposeConfig(width=width, depth=depth, style=style, blank_channels=channels - 1)
    except ValidationError as error:
        wrong = error.errors()[0]
        what = f"{wrong['loc'][0]}: {wrong['msg']}, but it is {wrong['input']}"
        raise UsageError(f"{path}: not a network that can be converted: its {what}") from error
