"""Networks from a state dict: the package's own Python builds them, so only with trust; the weights are never unpickled
freely.
"""

import importlib
import importlib.util
import io
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zooscope.errors import PackageError, one_line
from zooscope.package_weights import Architecture
from zooscope.predict.backends import Network, torch_network


def state_dict_network(
    weights: bytes, architecture: Architecture, read: Callable[[str], bytes], *, member: str, device: str
) -> Network:
    """A network of torch with its weights, on a device.

    Parameters
    ----------
    weights : a state dict as `torch.save` writes it (tensors only), or safetensors where `member` ends so.
    read : reads a file of the package.

    Raises
    ------
    PackageError : the architecture cannot be built, or the weights do not fit it.
    """
    import torch

    network = _built(architecture, read)
    if not isinstance(network, torch.nn.Module):
        raise PackageError(
            f"its architecture, {architecture}, gives {type(network).__name__}; a torch module is expected"
        )
    try:
        network.load_state_dict(_tensors(weights, member))
    except Exception as error:
        raise PackageError(f"its state dict does not fit {architecture} ({one_line(error)})") from error
    return torch_network(network.to(device).eval(), device=device)


def _tensors(weights: bytes, member: str) -> Mapping[str, Any]:
    import torch

    if member.endswith(".safetensors"):
        from safetensors.torch import load

        return load(weights)
    return torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)


def _built(architecture: Architecture, read: Callable[[str], bytes]) -> Any:
    try:
        if architecture.source is None:
            module = importlib.import_module(str(architecture.library))
        else:
            module = _imported(architecture.source, read(architecture.source))
        make: Any = module
        for part in architecture.callable.split("."):
            make = getattr(make, part)
        return make(**architecture.kwargs)
    except PackageError:
        raise
    except ModuleNotFoundError as error:
        raise PackageError(f"its architecture, {architecture}, needs {error.name}, which is not installed") from error
    except Exception as error:
        raise PackageError(
            f"its architecture, {architecture}, cannot be built ({type(error).__name__}: {one_line(error)})"
        ) from error


def _imported(source: str, code: bytes) -> Any:
    """A file of the package as a module. Its name is its own, so that dataclasses and pickles of it find it."""
    name = f"zooscope_package_{Path(source).stem}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(source).name
        path.write_bytes(code)
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise PackageError(f"its architecture file '{source}' is no Python")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return module
