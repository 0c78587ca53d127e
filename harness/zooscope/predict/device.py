"""Devices by name."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import UsageError


def resolve_device(name: str) -> str:
    """`auto`, `cpu`, `cuda` or `cuda:1` -> "cpu" or "cuda:<index>".

    Raises
    ------
    UsageError : another name, or a GPU that this machine does not have.
    """
    import torch

    if name == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return "cpu"
    kind, _, index = name.partition(":")
    if kind != "cuda" or not (index or "0").isdecimal():
        raise UsageError(f"device '{name}' is not one of auto, cpu, cuda, cuda:<number>")
    if int(index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device '{name}': this machine has {torch.cuda.device_count()} CUDA devices; use cpu or auto")
    return f"cuda:{int(index or 0)}"


def resolve_devices(names: str) -> str:
    """Devices by names with commas between ("cuda:0,cuda:1"), each as `resolve_device` gives it, in the same form.

    Raises
    ------
    UsageError : a device that there is not, or devices of two kinds, whose answers would be mixed in a row.
    """
    devices = [resolve_device(name.strip()) for name in names.split(",")]
    if len({device_class(device) for device in devices}) > 1:
        raise UsageError(f"devices '{names}' are of two kinds; a row is predicted on one")
    return ",".join(devices)


def device_class(device: str) -> str:
    """What of a device (or several) can change an answer, for a run's key: "cpu" or "cuda"."""
    return device.partition(",")[0].partition(":")[0]


def upload(array: NDArray[np.generic], device: str) -> Any:
    """An array as a tensor on a device; to a GPU through pinned memory, without waiting for the copy."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor if device == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def download(tensor: Any) -> NDArray[np.float32]:
    """A tensor as an array; from a GPU through pinned memory."""
    import torch

    if tensor.device.type == "cpu":
        return tensor.contiguous().numpy()
    out = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    out.copy_(tensor, non_blocking=True)
    torch.cuda.current_stream(tensor.device).synchronize()
    return out.numpy()
