"""Scoring: predictions -> a record an image -> a row. Needs no model, so stored predictions can be scored again."""

import io
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
from zooscope.metrics.coco import PROTOCOLS, Detections
from zooscope.metrics.detected import detect, to_bytes
from zooscope.progress import track
from zooscope.sample import Task
from zooscope.store import DETECTIONS, OBJECTS, Predictions, Result, Results


@dataclass(frozen=True)
class Predicted:
    """The prediction of one image.

    Attributes
    ----------
    found : label image or restored image.
    about : the `seconds` that it took, NaN where nobody knows, and the `scale` at which the image was predicted where
        that was found out.
    scores : confidence of each object in the order of labels, where the decoder has one.
    """

    found: NDArray[Any]
    about: Mapping[str, float]
    scores: NDArray[np.float64] | None = None


Load = Callable[[str], Predicted]
"""Id -> the prediction of that image."""

ALONE_S = 3.0
"""Processes are started where the images left would take longer than this: starting them takes about as long."""


@dataclass(frozen=True)
class Scored:
    """One image.

    Attributes
    ----------
    record : as images.csv holds it.
    detections : of objects, what they matched by COCO's rules.
    scores : of objects, the decoder's confidence.
    stored : the bytes of its prediction where they may be published.
    """

    record: Mapping[str, Any]
    detections: Mapping[str, Detections]
    scores: NDArray[np.float64] | None
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
    found = dict(zip(data.ids, scored, strict=True))
    kept = {id: one.stored for id, one in found.items() if one.stored is not None}
    images = pd.DataFrame.from_dict({id: one.record for id, one in found.items()}, orient="index")
    seconds = statistics.median(images["seconds"])
    done = {"status": "done", "seconds_per_image": None if np.isnan(seconds) else round(float(seconds), 4)}
    return results.write({**run, **done, "records": RECORDS[data.card.task]}, images, kept or None, _files(found))


def stored_with(result: Result) -> Load:
    """The predictions that lie beside a row."""
    return _Stored(result)


def predictions_of(key: str) -> Load:
    """The predictions of a run in this machine's cache."""
    return _Cached(Predictions(key))


def score_image(data: Dataset, load: Load, id: str) -> Scored:
    """Score one image."""
    predicted, sample, task = load(id), data[id], data.card.task
    found, detections = predicted.found, dict[str, Detections]()
    try:
        record = measure(found, sample.target, task=task)
        if task is Task.INSTANCE_SEGMENTATION:
            protocol = PROTOCOLS[data.card.detection_protocol]
            truth = sample.target if sample.objects is None else sample.objects
            detections = detect(found, truth, protocol=protocol, scores=predicted.scores)
    except ValueError as error:
        raise DataError(f"image {id}: its prediction cannot be scored: {error}") from error
    about = {"group": sample.group, "stratum": sample.stratum, **predicted.about}
    stored = encode_tiff(TRUTHS[task].stored(found)) if data.card.publish_predictions else None
    return Scored({**about, **record}, detections, predicted.scores, stored)


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

    They lie in this machine's cache, or beside the row where the data's licence lets them be published.
    """
    cached = Predictions(result.run["key"])
    whole = all(cached.has(id) for id in data.ids)
    if not whole and not result.has_predictions:
        return None
    load = _Cached(cached, result) if whole else stored_with(result)
    return finish(result.run, data, load, results, progress=progress)


@dataclass(frozen=True)
class _Cached:
    """Predictions of a run in the cache; their seconds are those of its row where there is one."""

    predictions: Predictions
    result: Result | None = None

    def __call__(self, id: str) -> Predicted:
        found, about = self.predictions.get(id)
        if self.result is not None:
            about = _about(self.result, id)
        return Predicted(found, about, self.predictions.scores(id))


@dataclass(frozen=True)
class _Stored:
    """Predictions beside a row."""

    result: Result

    def __call__(self, id: str) -> Predicted:
        found = self.result.prediction(id)
        assert found is not None
        return Predicted(found, _about(self.result, id), self.result.scores(id))


def _about(result: Result, id: str) -> dict[str, float]:
    row = result.images.loc[id]
    return {name: float(row[name]) for name in ("seconds", "scale") if name in row.index}


def _files(found: Mapping[str, Scored]) -> dict[str, bytes]:
    """What lies beside a row's record: detections, and the scores of objects where there are any."""
    files: dict[str, bytes] = {}
    if any(one.detections for one in found.values()):
        files[DETECTIONS] = to_bytes([one.detections for one in found.values()])
    scored = {id: one.scores for id, one in found.items() if one.scores is not None}
    if scored:
        ids = np.repeat(list(scored), [len(scores) for scores in scored.values()])
        buffer = io.BytesIO()
        table = pd.DataFrame({"id": ids.astype(str), "score": np.concatenate(list(scored.values()))})
        table.to_parquet(buffer, index=False, compression="zstd")
        files[OBJECTS] = buffer.getvalue()
    return files


def describe_data(data: Dataset) -> dict[str, Any]:
    """What a row says of the data it stands on."""
    about = {"id": data.card.id, "version": data.card.version, "digest": data.digest, "split": data.split}
    about["card"] = data.card.model_dump(mode="json", exclude={"sources"})
    return {**about, "images": len(data), "groups": len(set(data.table["group"]))}
