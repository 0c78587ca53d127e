"""`train`: from a method's id and data sets to a run's folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zooscope import plugins
from zooscope.data import Dataset, load_dataset
from zooscope.data.card import card_ids
from zooscope.errors import DataError, UsageError
from zooscope.sample import Task
from zooscope_zoo.method import Method, NetworkConfig
from zooscope_zoo.start import find_start
from zooscope_zoo.training.config import RunConfig, make_config
from zooscope_zoo.training.curves import History
from zooscope_zoo.training.images import TrainingImage, load_images, notes, split_samples
from zooscope_zoo.training.loop import train as run_loop
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
    for data in loaded:
        if data.card.task is not Task.INSTANCE_SEGMENTATION:
            raise UsageError(f"data set '{data.card.id}' is of {data.card.task}; {method.id} learns to find objects")
    images: list[TrainingImage] = []
    validation: list[TrainingImage] = []
    about: list[dict[str, Any]] = []
    channels = network_config.channels
    for data in loaded:
        train_ids, validation_ids = split_samples(data, strata=config.training.strata)
        parts = [
            load_images(
                data, ids, channels=channels, planes=lambda labels: method.planes(labels, network_config),
                label=label, progress=progress,
            )
            for ids, label in ((train_ids, "training"), (validation_ids, "validation"))
        ]  # fmt: skip
        images, validation = images + parts[0], validation + parts[1]
        about.append(_about(data, config, train_ids, validation_ids))
        description = method.describe(network_config)
        field, patch = description.receptive_field_px, config.training.patch_px
        for note in notes(data, parts[0], channels=channels, field_px=field, patch_px=patch):
            say(f"note: {data.name}: {note}")
    if folder.started:
        folder.refuse_other_data(about)
    processes.wait_for_everyone()  # until each has seen whether a training began here
    if first and not folder.started:
        folder.begin(config, about, started_from={"model": init, "data": start.data} if start else None)
    description = method.describe(network_config)
    say(
        f"{method_id}: {description.parameters:,} parameters, receptive field {description.receptive_field_px} px; "
        f"{len(images)} training and {len(validation)} validation images, {config.training.steps} steps"
    )
    weights = start.weights if start else None
    try:
        history = run_loop(method, config, network_config, images, validation, folder, start=weights, progress=progress)
    except KeyboardInterrupt:
        say(f"stopped; the same command with --resume goes on from step {folder.last_step()}")
        raise
    say(f"weights: {output / 'best.safetensors'}; zooscope export {output} -o {output.name}.zip makes a package")
    return history


def settled(name: str | Path) -> str:
    """A data set's name that means the same from any folder: a folder's or a card's path made absolute, or an id."""
    path = Path(name)
    return str(path.resolve()) if path.exists() and (isinstance(name, Path) or name not in card_ids()) else str(name)


def _silent(line: str) -> None:
    pass


def _refuse_patch(method: Method, config: RunConfig, network_config: NetworkConfig) -> None:
    multiple = method.multiple_px(network_config)
    if config.training.patch_px % multiple:
        raise UsageError(
            f"training.patch_px={config.training.patch_px} is not a multiple of {multiple}, as {method.id} needs"
        )


def _about(data: Dataset, config: RunConfig, train_ids: list[str], validation_ids: list[str]) -> dict[str, Any]:
    if not train_ids:
        raise DataError(f"data set '{data.card.id}': no image to train on")
    return {
        "dataset": data.card.id,
        "version": data.card.version,
        "digest": data.digest,
        "licence": data.card.licence,
        "strata": config.training.strata,
        "splits": sorted(set(data.table.loc[train_ids, "split"])),
        "images": len(train_ids),
        "validation_images": len(validation_ids),
    }
