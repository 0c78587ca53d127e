"""`train`: from a method's id and data sets to a run's folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from zooscope import plugins
from zooscope.data import Dataset, load_dataset
from zooscope.data.card import card_ids
from zooscope.errors import UsageError
from zooscope_zoo.method import Method, NetworkConfig
from zooscope_zoo.start import find_start
from zooscope_zoo.training.config import RunConfig, make_config
from zooscope_zoo.training.curves import History
from zooscope_zoo.training.images import split_samples
from zooscope_zoo.training.loop import train as run_loop
from zooscope_zoo.training.material import Material, prepare
from zooscope_zoo.training.normalisation import Normalisation
from zooscope_zoo.training.run_folder import RunFolder


def train(
    method_id: str,
    datasets: Sequence[str | Path],
    output: Path,
    *,
    init: str | None = None,
    changes: Sequence[str] = (),
    resume: bool = False,
    progress: bool = True,
    say: Any = print,
) -> History:
    """Train a method on data sets, writing everything into `output`.

    Of several processes (torchrun, one a GPU) each loads the data, and the first one alone writes and speaks.

    Parameters
    ----------
    datasets : cards' ids or folders; their training parts are pooled, and so are their validation parts.
    init : whose weights to start from: a run's folder, a package that zooscope made, or a shipped model's id.
    changes : settings such as "training.steps=1000".
    resume : go on from the folder's last state, with its config.
    say : called with each line that a user should read.

    Raises
    ------
    UsageError : an unknown method or setting, a folder that holds another training. DataError : data to learn nothing
        from, or other data than those a training that resumes began with.
    """
    import torch
    from accelerate import PartialState

    method: Method = plugins.load("methods", method_id)
    folder = RunFolder(output)
    processes = PartialState(cpu=not torch.accelerator.is_available())
    first = processes.is_main_process
    progress, say = progress and first, say if first else _silent
    config, network_config = make_config(method, [settled(name) for name in datasets], changes)
    _refuse_patch(method, config, network_config)
    if folder.started:
        if not resume:
            raise UsageError(f"{output}: a training began here; --resume goes on with it")
        folder.refuse_other(config, started_from=init)
        init = folder.started_from()
    start = find_start(init, method, network_config) if init and not folder.has_state else None
    loaded = [load_dataset(name, progress=progress) for name in config.datasets]
    material = prepare(method, config, network_config, loaded, say=say, progress=progress)
    if folder.started:
        folder.refuse_other_data(material.about)
    measured = {} if folder.has_state else _measured(method, config, network_config, loaded, material, say)
    processes.wait_for_everyone()  # until each has seen whether a training began here
    if first and not folder.started:
        told = {"model": init, "data": start.data} if start else None
        taught = {"model": material.taught.by, "data": material.taught.data} if material.taught else None
        folder.begin(config, material.about, started_from=told, taught_by=taught, normalisation=material.normalisation)
    description = method.describe(network_config)
    say(
        f"{method_id}: {description.parameters:,} parameters, receptive field {description.receptive_field_px} px; "
        f"{len(material.training)} training and {len(material.validation)} validation images, "
        f"{config.training.steps} steps"
    )
    weights = start.weights if start else None
    try:
        history = run_loop(
            method,
            config,
            network_config,
            material.training,
            material.validation,
            folder,
            start=weights,
            measured=measured,
            progress=progress,
            say=say,
        )
    except KeyboardInterrupt:
        say(f"stopped; the same command with --resume goes on from step {folder.last_step()}")
        raise
    for line in getattr(method, "remarks", _nothing)(history):
        say(f"note: {line}")
    weights_file = output / f"{method.keeps}.safetensors"
    say(f"weights: {weights_file}; zooscope export {output} -o {output.name}.zip makes a package")
    return history


def settled(name: str | Path) -> str:
    """A data set's name that means the same from any folder: a folder's or a card's path made absolute, or an id."""
    path = Path(name)
    return str(path.resolve()) if path.exists() and (isinstance(name, Path) or name not in card_ids()) else str(name)


def _measured(
    method: Any, config: RunConfig, settings: NetworkConfig, data: Sequence[Dataset], material: Material, say: Any
) -> Mapping[str, Tensor]:
    """What a method that restores images measures of them before it learns."""
    if not isinstance(material.normalisation, Normalisation):
        return {}
    parts = [(item, split_samples(item, strata=config.training.strata)[0]) for item in data]
    return method.measured(settings, parts, material.normalisation, say=say)


def _nothing(history: History) -> list[str]:
    """What a method says of a training that has no `remarks`."""
    return []


def _silent(line: str) -> None:
    pass


def _refuse_patch(method: Method, config: RunConfig, network_config: NetworkConfig) -> None:
    multiple = method.multiple_px(network_config)
    for name in ("patch_px", "patch_planes") if network_config.space == "zyx" else ("patch_px",):
        if (length := getattr(config.training, name)) % multiple:
            raise UsageError(f"training.{name}={length} is not a multiple of {multiple}, as {method.id} needs")
