"""The process that derives TorchScript and ONNX from an architecture file and a state dict; knows torch alone.

Run as `python -m zooscope_zoo.packaging.tracing FOLDER`. In a process of its own, because TorchScript numbers its
classes by all that the process traced before, and packages are to come out byte for byte the same.
"""

import importlib.util
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

OPSET = 18
"""deepImageJ takes no newer one."""


def main(folder: Path) -> None:
    """Read architecture.py, weights.pt and order.json of a folder; write torchscript.pt and weights.onnx there."""
    order = json.loads((folder / "order.json").read_text())
    spec = importlib.util.spec_from_file_location("architecture", folder / "architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["architecture"] = module
    spec.loader.exec_module(module)
    network: torch.nn.Module = getattr(module, order["callable"])(**order["kwargs"])
    network.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
    network.eval()
    generator = torch.Generator().manual_seed(0)
    example = torch.rand((2, *order["example"]), generator=generator)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced: Any = torch.jit.trace(network, example)
        torch.jit.save(traced, folder / "torchscript.pt")
        _onnx(network, example, folder / "weights.onnx", step=int(order["step"]))


def _onnx(network: torch.nn.Module, example: torch.Tensor, path: Path, *, step: int) -> None:
    names = ("planes", "rows", "columns")[-(example.ndim - 2) :]
    space = {axis: step * torch.export.Dim(name, min=2) for axis, name in enumerate(names, start=2)}
    program: Any = torch.onnx.export(
        network,
        (example,),
        dynamic_shapes=({0: torch.export.Dim("batch"), **space},),
        input_names=["raw"],
        output_names=["maps"],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    program.save(path, external_data=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
