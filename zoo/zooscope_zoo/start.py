"""The weights that a training starts from: another run's, a package's, or shipped ones."""

import io
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from zooscope.errors import UsageError
from zooscope.model import find_package
from zooscope.package_files import PackageFiles, read_rdf
from zooscope_zoo.method import Method, NetworkConfig
from zooscope_zoo.training.run_folder import find_run


def start_weights(init: str, method: Method, config: NetworkConfig) -> Mapping[str, Tensor]:
    """Weights that fit the method's network.

    Parameters
    ----------
    init : a run's folder (its best weights), a package that zooscope made, or the id of a shipped model.

    Raises
    ------
    UsageError : there is no such thing, another method's weights, or a network of other settings. PackageError : a
        package that cannot be read.
    """
    folder = find_run(init)
    if folder.started:
        run = folder.config()
        made_by, settings, weights = run.method, run.network, folder.read_weights("best")
    else:
        made_by, settings, weights = _of_package(init)
    if made_by != method.id:
        raise UsageError(f"--init {init}: weights of the method {made_by}, not of {method.id}")
    try:
        method.network(config).load_state_dict(weights)
    except RuntimeError as error:
        own = config.model_dump()
        other = [f"network.{key}={value}" for key, value in settings.items() if key in own and own[key] != value]
        wanted = " ".join(f"--set {change}" for change in other) or "the settings it was made with"
        raise UsageError(f"--init {init}: its network has other settings; train with {wanted}") from error
    return weights


def _of_package(init: str) -> tuple[str, Mapping[str, Any], Mapping[str, Tensor]]:
    files = PackageFiles(find_package(init))
    rdf = read_rdf(files)
    ours = (rdf.get("config") or {}).get("zooscope") or {}
    entry = (rdf.get("weights") or {}).get("pytorch_state_dict")
    if not entry or not {"method", "network"} <= set(ours):
        raise UsageError(f"--init {init}: a package that zooscope did not make; only those can be trained further")
    content = files.read(str(entry["source"]))
    return ours["method"], ours["network"], torch.load(io.BytesIO(content), weights_only=True)
