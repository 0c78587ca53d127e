"""Scoring: label images -> a record an image -> a row. Needs no model, so stored label images can be scored again."""

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooscope.data.dataset import Dataset
from zooscope.metrics import RECORDS, measure
from zooscope.progress import track
from zooscope.store import LABELS, Predictions, Result, Results


def finish(
    run: Mapping[str, Any],
    data: Dataset,
    labels: Iterable[tuple[str, NDArray[np.int32], float]],
    results: Results,
    *,
    progress: bool = False,
) -> Result:
    """Score (id, labels, seconds) of every image and write the row."""
    rows: dict[str, dict[str, Any]] = {}
    kept: dict[str, NDArray[np.int32]] = {}
    for id, found, seconds in track(labels, f"scoring {run['model']['name']}", len(data), show=progress):
        sample = data[id]
        rows[id] = {
            "group": sample.group,
            "stratum": sample.stratum,
            "seconds": seconds,
            **measure(found, sample.target, task=data.card.task),
        }
        if data.card.publish_predictions:
            kept[id] = found
    images = pd.DataFrame.from_dict(rows, orient="index")
    seconds = statistics.median(images["seconds"])
    done = {"status": "done", "seconds_per_image": None if np.isnan(seconds) else round(float(seconds), 4)}
    return results.write({**run, **done, "records": RECORDS[data.card.task]}, images, kept or None)


def is_stale(result: Result) -> bool:
    """Whether a row's records are not those that this version makes."""
    return not result.failed and result.run["records"] not in RECORDS.values()


def score_again(result: Result, data: Dataset, results: Results, *, progress: bool = False) -> Result | None:
    """The row with records of this version, from its label images; None where they are not all there.

    They lie beside the row, or in this machine's cache where the data's licence does not let them be published.
    """
    stored = (result.folder / LABELS).is_file()
    predictions = Predictions(result.run["key"])
    if not stored and not all(predictions.has(id) for id in data.ids):
        return None

    def labels(id: str) -> NDArray[np.int32]:
        found = result.labels(id) if stored else predictions.get(id)[0]
        assert found is not None
        return found

    seconds = dict(zip(result.images.index, result.images["seconds"].to_numpy(float), strict=True))
    again = [(id, labels(id), seconds[id]) for id in data.ids]
    return finish(result.run, data, again, results, progress=progress)


def describe_data(data: Dataset) -> dict[str, Any]:
    """What a row says of the data it stands on."""
    about = {"id": data.card.id, "version": data.card.version, "digest": data.digest, "split": data.split}
    about["card"] = data.card.model_dump(mode="json", exclude={"sources"})
    return {**about, "images": len(data), "groups": len(set(data.table["group"]))}
