"""Noise models on disk: a safetensors file whose header says, as JSON, what the model is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from zooscope import atomic
from zooscope.errors import DataError, one_line
from zooscope_zoo.nn.noise_histogram import Histogram
from zooscope_zoo.nn.noise_model import GaussianMixture

NoiseModel = GaussianMixture | Histogram

VERSION = 1
_KEY = "zooscope.noise_model"


def save(model: NoiseModel, path: str | Path, *, about: Mapping[str, Any] | None = None) -> None:
    """Write a model; `about` (what it was fitted to) is kept as it is, in JSON."""
    header = {
        "version": VERSION,
        **_shape(model),
        "range": [float(model.low), float(model.high)],
        "about": dict(about or {}),
    }
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    atomic.write_bytes(Path(path), to_bytes(tensors, metadata={_KEY: json.dumps(header, sort_keys=True)}))


def load(path: str | Path) -> GaussianMixture:
    """Read a mixture, which networks take; DataError where there is none, another kind, or one of a newer version."""
    model = load_any(path)
    if not isinstance(model, GaussianMixture):
        raise DataError(f"{path}: a histogram; networks take a mixture: zooscope noise-model fit --kind mixture")
    return model


def load_any(path: str | Path) -> NoiseModel:
    """Read a model of either kind; DataError where there is none, or one of a newer version."""
    header = read_header(path)
    if header["kind"] == "histogram":
        model = Histogram(*header["bins"])
    else:
        model = GaussianMixture(int(header["components"]), int(header["degree"]))
    try:
        model.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise DataError(f"{path}: its tensors are not those that its header tells of ({one_line(error)})") from error
    return model


def read_header(path: str | Path) -> dict[str, Any]:
    """What the file says of its model: version, kind, range of the signal, about; DataError as `load` raises."""
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; zooscope noise-model fit makes a noise model")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise DataError(f"{path}: cannot be read as safetensors ({one_line(error)})") from error
    if _KEY not in metadata:
        raise DataError(f"{path}: holds no noise model; zooscope noise-model fit makes one")
    header = json.loads(metadata[_KEY])
    if header["version"] > VERSION:
        raise DataError(f"{path}: a noise model of version {header['version']}; this zooscope reads up to {VERSION}")
    return header


def _shape(model: NoiseModel) -> dict[str, Any]:
    if isinstance(model, Histogram):
        return {"kind": "histogram", "bins": list(model.log_density.shape)}
    return {"kind": "gaussian-mixture", "components": model.components, "degree": model.degree}
