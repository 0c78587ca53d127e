"""Weights files: the state dict, and TorchScript and ONNX derived from it, the same bytes each time."""

import io
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from zooscope.errors import ZooscopeError
from zooscope_zoo.packaging.architecture import Architecture
from zooscope_zoo.packaging.trained import Trained

STATE_DICT, TORCHSCRIPT, ONNX = "weights.pt", "torchscript.pt", "weights.onnx"
_DATE = (1980, 1, 1, 0, 0, 0)


def weights_files(trained: Trained, architecture: Architecture) -> dict[str, bytes]:
    """The three weights files by name, and architecture.py.

    Raises
    ------
    ZooscopeError : the network cannot be traced or exported; the last line of the reason.
    """
    state = state_dict_bytes(trained.weights)
    source = architecture.source.encode()
    sizes = [trained.sizes_of(axis) for axis in trained.space]
    # the exporter takes no smallest size for one of any
    lengths = [size.minimum if size.minimum > size.step else 2 * size.step for size in sizes]
    order = {
        "callable": architecture.callable,
        "kwargs": architecture.kwargs,
        "example": [trained.settings.channels, *lengths[:-1], lengths[-1] + sizes[-1].step],
        "step": trained.sizes.step,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / STATE_DICT).write_bytes(state)
        (folder / "architecture.py").write_bytes(source)
        (folder / "order.json").write_text(json.dumps(order))
        command = [sys.executable, "-m", "zooscope_zoo.packaging.tracing", name]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise ZooscopeError(f"{trained.config.method}: its network cannot be exported ({last})")
        torchscript = plain_torchscript((folder / TORCHSCRIPT).read_bytes())
        graph = plain_onnx((folder / ONNX).read_bytes())
    return {STATE_DICT: state, TORCHSCRIPT: torchscript, ONNX: graph, "architecture.py": source}


def state_dict_bytes(weights: Mapping[str, Tensor]) -> bytes:
    """What `torch.load(weights_only=True)` reads: plain tensors by name."""
    buffer = io.BytesIO()
    torch.save({name: value.detach().clone().contiguous() for name, value in weights.items()}, buffer)
    return buffer.getvalue()


def plain_torchscript(content: bytes) -> bytes:
    """The archive without debug records (they hold paths) and serial number, sorted, stored and dated 1980."""
    source = zipfile.ZipFile(io.BytesIO(content))
    top = {name.partition("/")[0] for name in source.namelist()}.pop()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(source.namelist()):
            if not name.endswith((".debug_pkl", "/serialization_id")):
                info = zipfile.ZipInfo("archive" + name.removeprefix(top), _DATE)
                target.writestr(info, source.read(name))
    return buffer.getvalue()


def plain_onnx(content: bytes) -> bytes:
    """The graph without notes on where it came from (they hold paths)."""
    model = onnx.load_from_string(content)
    _forget(model)
    return model.SerializeToString(deterministic=True)


def _forget(message: Any) -> None:
    """Clear doc_string and metadata_props in a protobuf message and all that it holds."""
    for field, value in message.ListFields():
        if field.name in ("doc_string", "metadata_props"):
            message.ClearField(field.name)
        elif field.type == field.TYPE_MESSAGE:
            for item in value if hasattr(value, "__len__") else [value]:
                _forget(item)
