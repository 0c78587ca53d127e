"""What a training starts from: another run's weights, a package's, or shipped ones, and what those learned from."""

import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zooscope.errors import UsageError
from zooscope.package_files import PackageFiles, read_rdf
from zooscope.sources import find_package
from zooscope_zoo.method import Method, NetworkConfig
from zooscope_zoo.training.run_folder import find_run


@dataclass(frozen=True)
class Start:
    """Weights by name, and the data sets that they have seen, as a run's `about.json` or a package tells them."""

    weights: Mapping[str, Tensor]
    data: Sequence[Mapping[str, Any]]


def find_start(init: str, method: Method, config: NetworkConfig) -> Start:
    """Weights that fit the method's network.

    Parameters
    ----------
    init : a run's folder (the weights that its method keeps), a package that zooscope made, or the id of a shipped
        model.

    Raises
    ------
    UsageError : there is no such thing, another method's weights, or a network of other settings. PackageError : a
        package that cannot be read.
    """
    folder = find_run(init)
    if folder.started:
        run = folder.config()
        made_by, settings = run.method, run.network
        start = Start(folder.read_weights(method.keeps), seen_data(folder.about()))
    else:
        made_by, settings, start = _of_package(init)
    if made_by != method.id:
        raise UsageError(f"--init {init}: weights of the method {made_by}, not of {method.id}")
    try:
        method.network(config).load_state_dict(start.weights)
    except RuntimeError as error:
        own = config.model_dump()
        other = [f"network.{key}={value}" for key, value in settings.items() if key in own and own[key] != value]
        wanted = " ".join(f"--set {change}" for change in other) or "the settings it was made with"
        raise UsageError(f"--init {init}: its network has other settings; train with {wanted}") from error
    return start


def seen_data(about: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All that a run has learned from: its own data, and that of what it started from or was taught by."""
    earlier = [about.get(key, {}).get("data", ()) for key in ("started_from", "taught_by")]
    return [*about["data"], *itertools.chain(*earlier)]


def _of_package(init: str) -> tuple[str, Mapping[str, Any], Start]:
    files = PackageFiles(find_package(init))
    rdf = read_rdf(files)
    ours = (rdf.get("config") or {}).get("zooscope") or {}
    entry = (rdf.get("weights") or {}).get("pytorch_state_dict")
    if not entry or not {"method", "network"} <= set(ours):
        raise UsageError(f"--init {init}: a package that zooscope did not make; only those can be trained further")
    content = files.read(str(entry["source"]))
    weights = torch.load(io.BytesIO(content), weights_only=True)
    return ours["method"], ours["network"], Start(weights, ours.get("training_data") or ())
