"""The runtimes of a package's weights: TorchScript and ONNX."""

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from zooscope.errors import PackageError, one_line
from zooscope.predict.onnx_graph import refuse_external_data
from zooscope.predict.torchscript_code import looked_over

Network = Callable[[Any], Any]
"""The package's input, batch and axes in its own order -> its one output, float32: an array for an array, a tensor on
the network's device for a tensor there."""


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

    channels_last = device != "cpu"  # what cuDNN's fastest convolutions take; on the CPU it would change answers
    if channels_last:
        module = module.to(memory_format=torch.channels_last)

    def run(batch: Any) -> Any:
        tensor = torch.from_numpy(batch).to(device) if isinstance(batch, np.ndarray) else batch
        if channels_last and tensor.ndim == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            out = module(tensor)
        if isinstance(out, tuple | list) and len(out) == 1:
            out = out[0]
        if not isinstance(out, torch.Tensor):
            raise PackageError(f"its network answers with {type(out).__name__}; one tensor is expected")
        return out.to("cpu", torch.float32).numpy() if isinstance(batch, np.ndarray) else out.float()

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
    bound = _Bound(session)

    def run(batch: Any) -> Any:
        if isinstance(batch, np.ndarray):
            return np.asarray(session.run(None, {name: batch})[0], np.float32)
        return bound(batch)

    return run


class _Bound:
    """An ONNX session that reads and writes tensors where they lie (IO binding), without a copy to the host."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._input, self._output = session.get_inputs()[0].name, session.get_outputs()[0].name
        self._shapes: dict[tuple[int, ...], tuple[int, ...]] = {}

    def __call__(self, batch: Any) -> Any:
        """The network's answer to a float32 tensor on the session's device."""
        import torch

        batch = batch.contiguous()
        if batch.is_cuda:
            torch.cuda.current_stream(batch.device).synchronize()  # ONNX Runtime works on a stream of its own
        given = tuple(batch.shape)
        if given not in self._shapes:  # only running tells the size of an answer
            answer = self._session.run(None, {self._input: batch.cpu().numpy()})[0]
            if answer.dtype != np.float32:
                return torch.from_numpy(np.asarray(answer, np.float32)).to(batch.device)
            self._shapes[given] = answer.shape
        out = torch.empty(self._shapes[given], dtype=torch.float32, device=batch.device)
        binding, kind, index = self._session.io_binding(), batch.device.type, batch.device.index or 0
        binding.bind_input(self._input, kind, index, np.float32, given, batch.data_ptr())
        binding.bind_output(self._output, kind, index, np.float32, tuple(out.shape), out.data_ptr())
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return out


BACKENDS: dict[str, Callable[..., Network]] = {"torchscript": torchscript_network, "onnx": onnx_network}
"""Weights format of the spec -> runtime, in order of preference; neither runs a package's own Python."""


LOOKED_OVER: dict[str, Callable[[bytes], object]] = {"torchscript": looked_over, "onnx": refuse_external_data}
"""Weights format -> what raises PackageError for weights that reach beyond the network."""
