"""Label images that another tool made, scored as a row of their own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooscope.contender import trained_on
from zooscope.data.dataset import Dataset
from zooscope.data.digest import array_digest
from zooscope.data.labels import refuse_foreground_masks
from zooscope.environment import environment
from zooscope.errors import DataError, UsageError
from zooscope.imagefile import read_array
from zooscope.runkey import digest_of
from zooscope.sample import as_labels
from zooscope.scoring import describe_data, finish, is_stale
from zooscope.store import Result, Results

SUFFIXES = (".tif", ".tiff", ".png", ".npy")
"""What label images may come in; JPEG is not among them, since it changes the numbers of objects."""


def score_folder(
    folder: Path,
    data: Dataset,
    *,
    name: str,
    results: Results,
    trained: list[str] | None = None,
    progress: bool = False,
) -> Result:
    """Score `<id>.tif` (or .png, .npy) label images of every sample of a split.

    Parameters
    ----------
    name : the row's name in the leaderboard.
    trained : names of data sets that the tool was trained on, as far as known; marks the row.

    Raises
    ------
    DataError : an image without a prediction, or one that is no label image of its image's shape; nothing is written.
    """
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UsageError(f"name '{name}': letters, digits, '-', '_' and '.' are allowed")
    labels = {id: _labels(folder, id, data) for id in _complete(folder, data)}
    refuse_foreground_masks(labels.values(), source=str(folder))
    digest = digest_of({id: array_digest(array) for id, array in labels.items()})
    about = {
        "kind": "labels",
        "title": "label images made elsewhere",
        "training_data": [{"dataset": t} for t in trained or []],
    }
    request = digest_of(digest, data.digest, data.split, name, about)
    run = {
        "key": request,
        "request": request,
        "model": {"name": name, "digest": digest, **about},
        "dataset": describe_data(data),
        "protocol": {"decoder": "labels made elsewhere"},
        "params": {},
        "tuning": None,
        "trained_on": trained_on(about, data.card, split=str(data.split)),
        "environment": environment(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    found = results.find(request, dataset=data.name, split=str(data.split))
    if found and not is_stale(found):
        return found
    return finish(run, data, _timeless(labels), results, progress=progress)


def _complete(folder: Path, data: Dataset) -> list[str]:
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    missing = [id for id in data.ids if _file(folder, id) is None]
    if missing:
        raise DataError(
            f"{folder}: {len(missing)} of {len(data)} images of {data.name}, split {data.split}, have no label image; "
            f"the first is {missing[0]}.tif (an image without objects is an image of zeros)"
        )
    return data.ids


def _labels(folder: Path, id: str, data: Dataset) -> NDArray[np.int32]:
    path = _file(folder, id)
    assert path is not None
    shape = data[id].target.shape
    return as_labels(read_array(path), shape=(shape[0], shape[1]), source=str(path))


def _file(folder: Path, id: str) -> Path | None:
    return next((path for suffix in SUFFIXES if (path := folder / f"{id}{suffix}").is_file()), None)


def _timeless(labels: dict[str, NDArray[np.int32]]) -> Iterator[tuple[str, NDArray[np.int32], float]]:
    return ((id, array, float("nan")) for id, array in labels.items())
