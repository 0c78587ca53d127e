"""Scoring: predictions -> a record an image -> a row. Needs no model, so stored predictions can be scored again."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooscope.data.dataset import Dataset
from zooscope.data.truth import TRUTHS
from zooscope.errors import DataError
from zooscope.imagefile import encode_tiff
from zooscope.metrics import RECORDS, measure
from zooscope.progress import track
from zooscope.store import Predictions, Result, Results

Load = Callable[[str], tuple[NDArray[Any], float]]
"""Id -> the prediction of that image, and how many seconds it took."""

ALONE_S = 3.0
"""Processes are started where the images left would take longer than this: starting them takes about as long."""


@dataclass(frozen=True)
class Scored:
    """One image: its record as images.csv holds it, and the bytes of its prediction where they may be published."""

    record: Mapping[str, Any]
    stored: bytes | None


def finish(
    run: Mapping[str, Any],
    data: Dataset,
    load: Load,
    results: Results,
    *,
    processes: int | None = None,
    progress: bool = False,
) -> Result:
    """Score the prediction of every image and write the row.

    Parameters
    ----------
    load : called in several processes where there is much to score; two images a process are held at once.
    processes : at most so many; all processors by default.

    Raises
    ------
    DataError : a prediction that cannot be compared with its truth, with the image's id; nothing is written.
    """
    scored = track(
        _scored(data, load, processes or os.cpu_count() or 1),
        f"scoring {run['model']['name']}",
        len(data),
        show=progress,
    )
    rows: dict[str, Mapping[str, Any]] = {}
    kept: dict[str, bytes] = {}
    for id, one in zip(data.ids, scored, strict=True):
        rows[id] = one.record
        if one.stored is not None:
            kept[id] = one.stored
    images = pd.DataFrame.from_dict(rows, orient="index")
    seconds = statistics.median(images["seconds"])
    done = {"status": "done", "seconds_per_image": None if np.isnan(seconds) else round(float(seconds), 4)}
    return results.write({**run, **done, "records": RECORDS[data.card.task]}, images, kept or None)


def score_image(data: Dataset, load: Load, id: str) -> Scored:
    """Score one image."""
    found, seconds = load(id)
    sample, task = data[id], data.card.task
    try:
        record = measure(found, sample.target, task=task)
    except ValueError as error:
        raise DataError(f"image {id}: its prediction cannot be scored: {error}") from error
    about = {"group": sample.group, "stratum": sample.stratum, "seconds": seconds}
    stored = encode_tiff(TRUTHS[task].stored(found)) if data.card.publish_predictions else None
    return Scored({**about, **record}, stored)


def _scored(data: Dataset, load: Load, processes: int) -> Iterator[Scored]:
    """In the order of the ids: alone, and in several processes as soon as it shows that this takes long."""
    begin = time.perf_counter()
    ids = data.ids
    for number, id in enumerate(ids):
        if number and processes > 1:
            left = (time.perf_counter() - begin) / number * (len(ids) - number)
            if left > ALONE_S * processes / (processes - 1):
                yield from _scored_apart(data, load, ids[number:], processes)
                return
        yield score_image(data, load, id)


def _scored_apart(data: Dataset, load: Load, ids: Sequence[str], processes: int) -> Iterator[Scored]:
    from joblib import Parallel, delayed

    pool: Any = Parallel(processes, return_as="generator", pre_dispatch="2*n_jobs")
    yield from pool(delayed(score_image)(replace(data, table=data.table.loc[[id]]), load, id) for id in ids)


def is_stale(result: Result) -> bool:
    """Whether a row's records are not those that this version makes."""
    return not result.failed and result.run["records"] not in RECORDS.values()


def score_again(result: Result, data: Dataset, results: Results, *, progress: bool = False) -> Result | None:
    """The row with records of this version, from its predictions; None where they are not all there.

    They lie beside the row, or in this machine's cache where the data's licence does not let them be published.
    """
    cached = None if result.has_predictions else Predictions(result.run["key"])
    if cached is not None and not all(cached.has(id) for id in data.ids):
        return None
    return finish(result.run, data, _Again(result, cached), results, progress=progress)


@dataclass(frozen=True)
class _Again:
    """A row's own predictions, with the seconds that it tells."""

    result: Result
    cached: Predictions | None

    def __call__(self, id: str) -> tuple[NDArray[Any], float]:
        found = self.cached.get(id)[0] if self.cached else self.result.prediction(id)
        assert found is not None
        return found, float(self.result.images.loc[id, "seconds"])


def describe_data(data: Dataset) -> dict[str, Any]:
    """What a row says of the data it stands on."""
    about = {"id": data.card.id, "version": data.card.version, "digest": data.digest, "split": data.split}
    about["card"] = data.card.model_dump(mode="json", exclude={"sources"})
    return {**about, "images": len(data), "groups": len(set(data.table["group"]))}
