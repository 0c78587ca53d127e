"""The runtimes of a package's weights: TorchScript and ONNX. Each takes and gives float32 arrays."""

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import PackageError, one_line
from zooscope.predict.onnx_graph import refuse_external_data
from zooscope.predict.torchscript_code import looked_over

Network = Callable[[NDArray[np.generic]], NDArray[np.float32]]
"""The package's input array, batch and axes in its own order -> its one output array."""


def torchscript_network(weights: bytes, *, device: str) -> Network:
    """TorchScript weights on a device ("cpu", "cuda:0")."""
    import torch

    weights = looked_over(weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, but it is the format that the spec has
        try:
            module = torch.jit.load(io.BytesIO(weights), map_location=device).eval()
        except Exception as error:
            raise PackageError(f"its TorchScript weights cannot be loaded ({one_line(error)})") from error

    return torch_network(module, device=device)


def torch_network(module: Any, *, device: str) -> Network:
    """A module of torch that lies on a device, in its evaluation mode."""
    import torch

    def run(batch: NDArray[np.generic]) -> NDArray[np.float32]:
        with torch.inference_mode():
            out = module(torch.from_numpy(batch).to(device))
        if isinstance(out, tuple | list) and len(out) == 1:
            out = out[0]
        if not isinstance(out, torch.Tensor):
            raise PackageError(f"its network answers with {type(out).__name__}; one tensor is expected")
        return out.to("cpu", torch.float32).numpy()

    return run


def onnx_network(weights: bytes, *, device: str) -> Network:
    """ONNX weights on a device; PackageError where ONNX Runtime would fall back to the CPU in silence."""
    refuse_external_data(weights)
    if device != "cpu":
        import torch  # noqa: F401  loads the CUDA libraries that ONNX Runtime then finds
    import onnxruntime as ort

    kind, _, index = device.partition(":")
    wanted = "CPUExecutionProvider" if kind == "cpu" else "CUDAExecutionProvider"
    provider = wanted if kind == "cpu" else (wanted, {"device_id": int(index or 0)})
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.load_model_format", "ONNX")  # nothing else was looked over
    try:
        session = ort.InferenceSession(weights, options, providers=[provider])
    except Exception as error:
        raise PackageError(f"its ONNX weights cannot be loaded ({one_line(error)})") from error
    if session.get_providers()[0] != wanted:
        raise PackageError(
            f"ONNX Runtime has no {wanted} here, only {', '.join(session.get_providers())}; use --device cpu"
        )
    if len(session.get_inputs()) != 1 or len(session.get_outputs()) != 1:
        raise PackageError(
            f"its ONNX graph has {len(session.get_inputs())} inputs, {len(session.get_outputs())} outputs"
        )
    name = session.get_inputs()[0].name

    def run(batch: NDArray[np.generic]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {name: batch})[0], np.float32)

    return run


BACKENDS: dict[str, Callable[..., Network]] = {"torchscript": torchscript_network, "onnx": onnx_network}
"""Weights format of the spec -> runtime, in order of preference; neither runs a package's own Python."""


LOOKED_OVER: dict[str, Callable[[bytes], object]] = {"torchscript": looked_over, "onnx": refuse_external_data}
"""Weights format -> what raises PackageError for weights that reach beyond the network."""
