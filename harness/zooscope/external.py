"""Predictions that another tool made, label images or restored images, scored as a row of their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from zooscope.contender import trained_on
from zooscope.data.dataset import Dataset
from zooscope.data.digest import array_digest
from zooscope.data.folder import read_target
from zooscope.data.labels import refuse_foreground_masks
from zooscope.data.truth import TRUTHS
from zooscope.environment import environment
from zooscope.errors import DataError, UsageError
from zooscope.progress import track
from zooscope.runkey import digest_of
from zooscope.sample import Task
from zooscope.scoring import Predicted, describe_data, finish, is_stale
from zooscope.store import Result, Results

SUFFIXES = (".tif", ".tiff", ".png", ".npy")
"""What predictions may come in; JPEG is not among them, since it changes the numbers of objects, and pixels."""

NAMED = 5
"""Of many bad files so many are named."""

_KIND = {Task.INSTANCE_SEGMENTATION: "labels", Task.RESTORATION: "images"}


def score_folder(
    folder: Path,
    data: Dataset,
    *,
    name: str,
    results: Results,
    trained: list[str] | None = None,
    progress: bool = False,
) -> Result:
    """Score `<id>.tif` (or .png, .npy) of every sample of a split: label images, or restored images.

    Parameters
    ----------
    name : the row's name in the leaderboard.
    trained : names of data sets that the tool was trained on, as far as known; marks the row.

    Raises
    ------
    DataError : images without a prediction, or with one that is none for its image; nothing is written.
    """
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UsageError(f"name '{name}': letters, digits, '-', '_' and '.' are allowed")
    data.refuse_without_truth(data.ids)
    data.refuse_volumes()
    load = _Files(_complete(folder, data), data)
    digest = digest_of(_digests(load, data, source=folder, progress=progress))
    if data.card.task is Task.INSTANCE_SEGMENTATION:
        refuse_foreground_masks((load(id).found for id in data.ids), source=str(folder))
    kind = _KIND[data.card.task]
    about = {
        "kind": kind,
        "title": f"{TRUTHS[data.card.task].word}s made elsewhere",
        "training_data": [{"dataset": t} for t in trained or []],
    }
    request = digest_of(digest, data.digest, data.split, name, about)
    run = {
        "key": request,
        "request": request,
        "model": {"name": name, "digest": digest, **about},
        "dataset": describe_data(data),
        "protocol": {"decoder": f"{kind} made elsewhere"},
        "params": {},
        "tuning": None,
        "trained_on": trained_on(about, data.card, split=str(data.split)),
        "environment": environment(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    found = results.find(request, dataset=data.name, split=str(data.split))
    if found and not is_stale(found):
        return found
    return finish(run, data, load, results, progress=progress)


@dataclass(frozen=True)
class _Files:
    """Predictions by id, from files; they took nobody knows how long."""

    paths: Mapping[str, Path]
    data: Dataset

    def __call__(self, id: str) -> Predicted:
        sample = self.data[id]
        return Predicted(read_target(self.paths[id], sample.image, task=self.data.card.task), {"seconds": np.nan})


def _digests(load: _Files, data: Dataset, *, source: Path, progress: bool) -> dict[str, str]:
    """Digest of each prediction; DataError that names the images whose file is none."""
    digests: dict[str, str] = {}
    wrong: list[str] = []
    for id in track(data.ids, f"reading {source.name}", len(data), show=progress):
        try:
            digests[id] = array_digest(load(id).found)
        except DataError as error:
            wrong.append(str(error))
    if wrong:
        more = f"; and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise DataError("; ".join(wrong[:NAMED]) + more)
    return digests


def _complete(folder: Path, data: Dataset) -> dict[str, Path]:
    """The file of every image."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    found = {id: path for id in data.ids if (path := _file(folder, id))}
    missing = [id for id in data.ids if id not in found]
    if missing:
        word = TRUTHS[data.card.task].word
        hint = " (an image without objects is an image of zeros)" if word == "label image" else ""
        raise DataError(
            f"{folder}: {len(missing)} of {len(data)} images of {data.name}, split {data.split}, have no {word}; "
            f"the first is {missing[0]}.tif{hint}"
        )
    return found


def _file(folder: Path, id: str) -> Path | None:
    return next((path for suffix in SUFFIXES if (path := folder / f"{id}{suffix}").is_file()), None)
