"""Verify: whether a row is what it says: its files, its data, its scores, and some of its predictions made again."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from zooscope import plugins
from zooscope.contender import Contender, contender
from zooscope.data.dataset import Dataset, load_dataset
from zooscope.errors import DataError, PackageError, UsageError, WorkerError
from zooscope.lints import Finding
from zooscope.metrics import RECORDS, measure
from zooscope.metrics.coco import Detections
from zooscope.metrics.detected import is_same
from zooscope.predict.precision import FLOAT32, resolve_precision
from zooscope.progress import track
from zooscope.record import RUN, RunRecord, refuse_damaged
from zooscope.runkey import PREDICT_VERSION
from zooscope.sample import Task
from zooscope.scales import answer_at
from zooscope.scoring import score_image, stored_with
from zooscope.sizing import find_scale
from zooscope.store import DETECTIONS, IMAGES, Result, read_result

SAME_RECORD = 1e-8
"""Relative difference that a stored number may have: images.csv keeps nine digits."""

SAME_OBJECTS = 0.99
"""Share of objects, stored and predicted again, that must agree at IoU >= 0.9: other processors round otherwise."""

SAME_VALUES = 1e-4
"""Of an image's range, by which a restored image, stored and predicted again, may differ anywhere."""


def rows_in(path: Path) -> list[Path]:
    """Folders of all rows in a folder, itself included; UsageError where there are none."""
    if (path / RUN).is_file():
        return [path]
    found = sorted(run.parent for run in path.rglob(RUN)) if path.is_dir() else []
    if not found:
        raise UsageError(f"{path}: no row of results (a folder with {RUN}) in it")
    return found


def verify(
    folder: Path,
    *,
    dataset: str | Path | Dataset | None = None,
    model: str | None = None,
    images: int = 3,
    device: str = "cpu",
    trust: bool = False,
    progress: bool = False,
) -> Iterator[Finding]:
    """Findings about a row, as they are found; one of level "error" is a difference.

    Parameters
    ----------
    folder : of the row, with run.json.
    dataset : the data set, where it is not the card's id (a folder of one's own).
    model : the package, where the row's model is not a shipped one or a baseline.
    images : how many images to predict again, from the smallest to the largest; 0 for none.
    trust : let the package run its own Python for that.
    """
    try:
        result = read_result(folder)
        RunRecord.model_validate(result.run)
        for name in result.run["files"]:
            refuse_damaged(folder, result.run, name)
    except DataError as error:
        yield Finding("error", "record", str(error))
        return
    except ValidationError as error:
        first = error.errors()[0]
        yield Finding("error", "record", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        return
    yield Finding("ok", "record", "as it was written, files too")
    if result.failed:
        yield Finding("ok", "row", f"a failure with its reason: {result.run['reason']}")
        return
    data = yield from _data(result, dataset)
    if data is None:
        return
    yield from _scores(result, data, progress=progress)
    if images:
        yield from _predictions(result, data, model, images, device, trust=trust, progress=progress)


def _data(result: Result, dataset: str | Path | Dataset | None) -> Generator[Finding, None, Dataset | None]:
    """Finding about the data; returns the split, or None where it is not the row's."""
    told = result.run["dataset"]
    try:
        whole = dataset if isinstance(dataset, Dataset) else load_dataset(dataset or told["id"])
        data = whole.only(told["split"])
    except (DataError, UsageError) as error:
        yield Finding("error", "data", f"cannot be loaded: {error}")
        return None
    if data.digest != told["digest"]:
        text = f"content {data.digest[:12]} here, {told['digest'][:12]} in the row"
        yield Finding("error", "data", f"{told['id']}@{told['version']}: {text}")
        return None
    if sorted(data.ids) != sorted(result.images.index):
        yield Finding("error", "data", f"{IMAGES} does not hold the images of split {told['split']}")
        return None
    yield Finding("ok", "data", f"{data.name}, split {told['split']}: {len(data)} images of content {data.digest[:12]}")
    return data


def _scores(result: Result, data: Dataset, *, progress: bool) -> Iterator[Finding]:
    if not result.has_predictions:
        yield Finding("warning", "scores", "no predictions are stored, so nothing to score again")
        return
    if result.run["records"] != RECORDS[data.card.task]:
        text = f"records are {result.run['records']}, this zooscope makes {RECORDS[data.card.task]}"
        yield Finding("error", "scores", f"{text}; `zooscope run` scores the stored predictions again")
        return
    load, detections = stored_with(result), list[Mapping[str, Detections]]()
    for id in track(data.ids, "scoring again", len(data), show=progress):
        stored = result.images.loc[id]
        try:
            scored = score_image(data, load, id)
        except (DataError, KeyError) as error:
            yield Finding("error", "scores", f"image {id}: {result.archive.name} has no prediction of it ({error})")
            return
        for column, value in scored.record.items():
            if column == "seconds":
                continue
            if column in ("group", "stratum") and stored[column] != value:
                yield Finding("error", "scores", f"image {id}: {column} is not that of the data")
                return
            if column not in ("group", "stratum") and not _same(stored[column], value):
                text = f"{column} is {stored[column]:g}, its stored prediction gives {value:g}"
                yield Finding("error", "scores", f"image {id}: {text}")
                return
        detections.append(scored.detections)
    if not is_same(result.detections, detections):
        yield Finding("error", "scores", f"{DETECTIONS} is not what the stored predictions give")
        return
    yield Finding("ok", "scores", f"{len(data)} images, each the same from its stored prediction")


def _same(stored: float, value: float) -> bool:
    return bool(np.isclose(float(stored), value, rtol=SAME_RECORD, atol=0, equal_nan=True))


def _predictions(
    result: Result, data: Dataset, model: str | None, images: int, device: str, *, trust: bool, progress: bool
) -> Iterator[Finding]:
    run = result.run
    name = model or _own_name(run["model"])
    if run["model"]["kind"] in ("labels", "images"):
        yield Finding("warning", "model", f"{run['model']['kind']} made elsewhere: nothing to predict again")
        return
    if name is None:
        text = f"{run['model']['name']} is not a shipped model; name its package with --model to predict again"
        yield Finding("warning", "model", text)
        return
    try:
        found = _same_contender(name, run["protocol"], data.card.task, device, trust=trust)
    except (PackageError, UsageError) as error:
        yield Finding("error", "model", f"{name}: {error}")
        return
    if found.digest != run["model"]["digest"]:
        text = f"{name} has digest {found.digest[:12]}, the row's model {run['model']['digest'][:12]}"
        yield Finding("error", "model", f"{text}: other weights, processing or decoder")
        return
    yield Finding("ok", "model", f"{name}: digest {found.digest[:12]}")
    different = {
        key: (value, run["protocol"].get(key))
        for key, value in {**found.protocol, "predict_version": PREDICT_VERSION}.items()
        if run["protocol"].get(key) != value
    }
    if different:
        told = ", ".join(f"{key} {now} here, {then} in the row" for key, (now, then) in different.items())
        yield Finding("warning", "predictions", f"other conditions: {told}")
    if not result.has_predictions:
        yield Finding("warning", "predictions", "no predictions are stored, so nothing to compare with")
        return
    chosen = _spread(data, images)
    try:
        again = list(track(_predicted(found, data, chosen, run["params"]), "predicting again", images, show=progress))
    except (PackageError, WorkerError) as error:
        yield Finding("error", "predictions", str(error))
        return
    yield _compared([(id, found, result.prediction(id)) for id, found in again], data.card.task)


def _compared(pairs: list[tuple[str, NDArray[Any], Any]], task: Task) -> Finding:
    same = [np.array_equal(again, stored) for _, again, stored in pairs]
    if all(same):
        return Finding("ok", "predictions", f"{len(pairs)} images predicted again, the same in every pixel")
    if task is Task.RESTORATION:
        return _compared_values(pairs)
    records = [measure(again, stored) for _, again, stored in pairs]
    agree = 2 * sum(r["tp90"] for r in records) / max(sum(r["true"] + r["predicted"] for r in records), 1)
    worst = min(zip(pairs, records, strict=True), key=lambda pair: pair[1]["tp90"] / max(pair[1]["true"], 1))[0][0]
    text = f"{sum(same)} of {len(pairs)} images the same in every pixel, {agree:.2%} of objects agree at IoU >= 0.9"
    if agree >= SAME_OBJECTS:
        return Finding("ok", "predictions", f"{text} (at least {SAME_OBJECTS:.0%} must)")
    return Finding("error", "predictions", f"{text}, at least {SAME_OBJECTS:.0%} must; the most different is {worst}")


def _compared_values(pairs: list[tuple[str, NDArray[Any], Any]]) -> Finding:
    away = {id: float(np.abs(again - stored).max() / (np.ptp(stored) or 1)) for id, again, stored in pairs}
    worst = max(away, key=lambda id: away[id])
    text = f"{len(pairs)} images predicted again, no value differs by more than {away[worst]:.1e} of its image's range"
    if away[worst] <= SAME_VALUES:
        return Finding("ok", "predictions", f"{text} (at most {SAME_VALUES:g} may)")
    return Finding("error", "predictions", f"{text}, at most {SAME_VALUES:g} may; the most different is {worst}")


def _own_name(model: Any) -> str | None:
    """What finds the row's model without its package."""
    if model["kind"] == "baseline":
        return str(model["id"])
    return str(model["name"]) if model["name"] in plugins.names("models") else None


def _same_contender(name: str, protocol: Any, task: Task, device: str, *, trust: bool) -> Contender:
    """The model, run as the row says."""
    if name.startswith("baseline:"):
        return contender(name, task=task)
    decoder = str(protocol.get("decoder", "")).partition("@")[0] or None
    precision = resolve_precision(protocol.get("precision", FLOAT32), device)
    diameter = str(protocol.get("diameter", "off")).partition(" ")[0]
    options = {"weights": protocol.get("weights"), "precision": precision, "diameter": diameter}
    found = contender(name, **options, decoder=decoder, device=device, trust=trust, task=task)
    if found.reason:
        raise PackageError(found.reason)
    return found


def _spread(data: Dataset, images: int) -> list[str]:
    """Ids from the smallest image to the largest, evenly spread."""
    ordered = sorted(data.ids, key=lambda id: (data[id].target.size, id))
    places = np.linspace(0, len(ordered) - 1, min(images, len(ordered))).round().astype(int)
    return [ordered[place] for place in dict.fromkeys(places)]


def _predicted(found: Contender, data: Dataset, ids: list[str], params: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    assert found.open is not None
    assert found.decode is not None
    with ExitStack() as stack:
        predictor = stack.enter_context(found.open())
        for id in ids:
            sample, decode = data[id], partial(found.decode, **found.params)
            factor = find_scale(sample.image, found.sizing, predictor.maps, decode)
            yield id, answer_at(found, predictor, sample, factor, params)
