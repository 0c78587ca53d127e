"""The straight path: samples -> maps -> predictions -> records -> a row. Whatever was done before is not done again."""

import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from zooscope import plugins, tune
from zooscope.cache import cache_folder
from zooscope.contender import Contender, Predictor, contender, maps_of, trained_on
from zooscope.data.dataset import Dataset, load_dataset
from zooscope.decoding import Decoded, Decoders
from zooscope.decoding.scores import OBJECTIVES
from zooscope.environment import environment
from zooscope.errors import PackageError, UsageError, WorkerError
from zooscope.predict.precision import FLOAT32, resolve_precision
from zooscope.progress import track
from zooscope.resampling import scaled_image, scaled_labels, scaled_shape
from zooscope.runkey import PREDICT_VERSION, digest_of
from zooscope.scales import Scale, find_scales, scaled
from zooscope.scoring import describe_data, finish, is_stale, predictions_of, score_again
from zooscope.sizing import SCALES
from zooscope.store import Predictions, Result, Results

TIME_LIMIT_S = 600.0


@dataclass(frozen=True)
class Row:
    """A contender on a split of a data set.

    Attributes
    ----------
    request : key of what is asked, known before tuning; a finished row with it need not be computed.
    tuning : what is searched on the validation split, or None.
    time_limit_s : the longest that decoding one image may take.
    """

    contender: Contender
    data: Dataset
    validation: Dataset | None
    request: str
    tuning: Mapping[str, Any] | None
    time_limit_s: float = TIME_LIMIT_S


def evaluate(
    model: str | Path | Sequence[str | Path],
    dataset: str | Path | Dataset,
    *,
    split: str = "test",
    device: str = "auto",
    weights: str | None = None,
    decoder: str | None = None,
    precision: str = FLOAT32,
    diameter: str | float = "auto",
    time_limit_s: float = TIME_LIMIT_S,
    memory_limit_gib: float | None = None,
    trust: bool = False,
    reports: str | Path | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Rank models on a data set.

    Parameters
    ----------
    model : one or several of: a package (zip or folder), a shipped model's id, `baseline:<name>@<version>`.
    dataset : a card's id, a folder of one's own, or a loaded data set with all its splits.
    split : the split to rank on; parameters are tuned on `validation` if the data set has one.
    device : "auto", "cpu", "cuda", "cuda:<index>", or several with commas between, each for a worker of its own.
    weights : "torchscript", "onnx", "pytorch_state_dict" ..., where the package's first should not be taken.
    decoder : id of the decoder, where the package's own or the default should not be taken.
    precision : "float32", or "bf16" or "fp16" of weights that torch runs.
    diameter : "auto", where a package says which diameter of objects its network knows, brings each image to it;
        "off"; or the median diameter of the objects in px (`zooscope.sizing`).
    time_limit_s : the longest that a model may take to open, or for one image.
    memory_limit_gib : the most memory that a model's process may hold; by default three quarters of the machine's.
    trust : let packages run their own Python, each in its worker process.
    reports : folder that results are kept in; by default a folder of the cache.

    Returns
    -------
    One row a model, metric and subset: model, subset, metric, score, low, high (95 %), images, groups; rank, rank_low
    and rank_high beside the metric that ranks; reason (of a model that could not be ranked).

    Raises
    ------
    UsageError : a model, data set, split or device that does not exist. DataError : data that cannot be used.
    """
    from zooscope.report.board import make_board

    data = dataset if isinstance(dataset, Dataset) else load_dataset(dataset, progress=progress)
    results = Results(Path(reports) if reports else cache_folder("reports"))
    models = [model] if isinstance(model, str | Path) else list(model)
    rows = plan_rows(
        [str(item) for item in models],
        data,
        split=split,
        device=device,
        weights=weights,
        decoder=decoder,
        precision=precision,
        diameter=diameter,
        time_limit_s=time_limit_s,
        memory_limit_gib=memory_limit_gib,
        trust=trust,
    )
    done = [run_row(row, results, progress=progress) for row in rows]
    # two files that compute the same (a zip and its folder) share one row
    return make_board(list({result.folder: result for result in done}.values()), data.card).table()


def plan_rows(
    models: Sequence[str],
    data: Dataset,
    *,
    split: str = "test",
    device: str = "auto",
    weights: str | None = None,
    decoder: str | None = None,
    precision: str = FLOAT32,
    diameter: str | float = "auto",
    time_limit_s: float = TIME_LIMIT_S,
    memory_limit_gib: float | None = None,
    trust: bool = False,
) -> list[Row]:
    """The rows that a run consists of, in the order of the models."""
    from zooscope.package_weights import FORMATS
    from zooscope.predict.device import resolve_devices

    device = resolve_devices(device)
    precision = resolve_precision(precision, device)
    if weights not in (None, *FORMATS):
        raise UsageError(f"weights '{weights}' are not one of {', '.join(FORMATS)}")
    if decoder is not None and decoder not in plugins.names("decoders"):
        raise UsageError(f"decoder '{decoder}' is not one of {', '.join(plugins.names('decoders'))}")
    for name, limit in (("time", time_limit_s), ("memory", memory_limit_gib)):
        if limit is not None and not limit > 0:
            raise UsageError(f"{name} limit {limit:g} is not more than 0")
    if data.split is not None:
        raise UsageError(
            f"data set '{data.card.id}' is limited to its split '{data.split}'; load it whole and name the split here: "
            "parameters are tuned on its validation split"
        )
    if data.card.task not in OBJECTIVES:
        raise UsageError(f"data set '{data.card.id}' is of {data.card.task}, which models are not run on")
    part = data.only(split)
    part.refuse_without_truth(part.ids)
    part.refuse_volumes()
    tunable = "validation" in data.splits and "validation" not in data.card.without_truth and split != "validation"
    validation = data.only("validation") if tunable else None
    rows: list[Row] = []
    for model in dict.fromkeys(models):
        found = contender(
            model,
            weights=weights,
            decoder=decoder,
            device=device,
            precision=precision,
            diameter=diameter,
            time_limit_s=time_limit_s,
            memory_limit_gib=memory_limit_gib,
            trust=trust,
            task=data.card.task,
        )
        tuning = tune.plan(found, validation)
        request = digest_of(
            found.digest, part.digest, split, dict(found.protocol), dict(found.params), tuning, PREDICT_VERSION
        )
        rows.append(Row(found, part, validation, request, tuning, time_limit_s))
    _refuse_one_name_for_two(rows)
    return rows


def _refuse_one_name_for_two(rows: Sequence[Row]) -> None:
    digests: dict[str, str] = {}
    for row in rows:
        name = row.contender.name
        if digests.setdefault(name, row.contender.digest) != row.contender.digest:
            raise UsageError(f"two different models are named '{name}'; rename one of the packages")


def run_row(row: Row, results: Results, *, progress: bool = False, retry: bool = False) -> Result:
    """The row's result: found, or computed and written. A model that fails gets a row with the reason.

    A model that failed is not run again by the same versions unless `retry`.
    """
    found = results.find(row.request, dataset=row.data.name, split=str(row.data.split))
    if found and is_stale(found) and (again := score_again(found, row.data, results, progress=progress)):
        return again
    if found and not is_stale(found) and not (found.failed and (retry or _may_fare_better(row, found))):
        return found
    with ExitStack() as stack:
        predictor = _Opened(row.contender, stack)
        try:
            params, tuned = _parameters(row, predictor, progress=progress)
            key = digest_of(row.request, params)
            predictions = Predictions(key)
            _predict(row, predictor, params, predictions, progress=progress)
            tile_px = predictor.tile_px
        except (PackageError, WorkerError) as error:
            crashed = isinstance(error, WorkerError)
            failure = {"status": "failed", "reason": str(error), "key": row.request, "crashed": crashed}
            failure |= {"log": error.log} if error.log else {}
            return results.write({**_about(row), **failure}, pd.DataFrame(), None)
    return finish(
        {**_about(row), "key": key, "params": params, "tuning": tuned, **({"tile_px": tile_px} if tile_px else {})},
        row.data,
        predictions_of(key),
        results,
        progress=progress,
    )


def _may_fare_better(row: Row, failed: Result) -> bool:
    """Whether a failure may end otherwise unasked: another reason now, or other versions than those that it failed in.

    What crashed or ran into a limit did so for reasons that no version tells.
    """
    if row.contender.reason or failed.run["crashed"]:
        return bool(row.contender.reason) and row.contender.reason != failed.run["reason"]
    return environment()["versions"] != failed.run["environment"]["versions"]


def expected_seconds(row: Row, results: Results) -> float:
    """About how long a row will take here, from timing one image of median size; 0 for a finished one.

    Raises
    ------
    PackageError, WorkerError : the row cannot run.
    """
    found = results.find(row.request, dataset=row.data.name, split=str(row.data.split))
    if found and not found.failed:
        return 0.0
    sizes = {id: row.data[id].target.size for id in row.data.ids}
    id = sorted(sizes, key=lambda item: sizes[item])[len(sizes) // 2]
    sample = row.data[id]
    with ExitStack() as stack:
        begin = time.perf_counter()
        predictor = _Opened(row.contender, stack)
        predictor.maps(sample.image)
        opening, begin = time.perf_counter() - begin, time.perf_counter()
        maps = predictor.maps(sample.image)
        predicting, begin = time.perf_counter() - begin, time.perf_counter()
        assert row.contender.decode is not None
        told = {**row.contender.params, **row.contender.of_image(sample.image)}
        row.contender.decode(maps, sample.target.shape, **told)
        decoding = time.perf_counter() - begin
    images = sum(sizes.values()) / sizes[id]
    seconds = opening + images * (predicting + decoding)
    if row.contender.sizing:  # at most, and as often again, about, for the images at the scale that is found
        seconds += images * (predicting + decoding) * sum(scale**2 for scale in SCALES)
    if row.tuning and row.validation:
        combinations = int(np.prod([len(values) for values in row.contender.search.values()]))
        seconds += images / len(row.data) * len(row.validation) * (predicting + combinations * decoding)
    return seconds


class _Opened:
    """A contender's predictor, opened when first asked: a row whose images are all there never starts its model."""

    def __init__(self, contender: Contender, stack: ExitStack) -> None:
        self._contender, self._stack = contender, stack
        self._predictor: Predictor | None = None

    def maps(self, image: xr.DataArray) -> NDArray[np.float32]:
        """Maps of one image."""
        return self._open().maps(image)

    def maps_of(self, images: Iterable[xr.DataArray]) -> Iterator[tuple[NDArray[np.float32], float]]:
        """(maps, seconds) of each image in order."""
        images = iter(images)
        for first in images:
            yield from maps_of(self._open(), itertools.chain([first], images))

    def _open(self) -> Predictor:
        if self._predictor is None:
            if self._contender.open is None:
                raise PackageError(self._contender.reason or "it cannot run")
            self._predictor = self._stack.enter_context(self._contender.open())
        return self._predictor

    @property
    def tile_px(self) -> int | None:
        """The largest tile, where memory did not allow the policy's; else None."""
        return getattr(self._predictor, "tile_px", None)


def _about(row: Row) -> dict[str, Any]:
    model = {"name": row.contender.name, "digest": row.contender.digest, **row.contender.about}
    return {
        "request": row.request,
        "model": model,
        "dataset": describe_data(row.data),
        "protocol": {**row.contender.protocol, "predict_version": PREDICT_VERSION},
        "trained_on": trained_on(row.contender.about, row.data.card, split=str(row.data.split), digest=row.data.digest),
        "environment": environment(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _parameters(row: Row, predictor: Predictor, *, progress: bool) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The decoder's parameters, and how they were found."""
    if not row.tuning or row.validation is None:
        return dict(row.contender.params), None
    key = digest_of(
        row.contender.digest, dict(row.contender.protocol), dict(row.contender.params), row.tuning, PREDICT_VERSION
    )
    scales = _scales(row, row.validation, predictor, progress=progress)
    samples = track(row.validation, f"tuning {row.contender.name}", len(row.validation), show=progress)
    samples = (scaled(sample, scales.get(sample.id)) for sample in samples)
    task, limit = row.data.card.task, row.time_limit_s
    params, score = tune.tune(row.contender, predictor, samples, key=key, task=task, time_limit_s=limit)
    return {**row.contender.params, **params}, {**row.tuning, "score": round(score, 6)}


def _scales(row: Row, data: Dataset, predictor: Predictor, *, progress: bool) -> Mapping[str, Scale]:
    """The scale of each image; empty where images are predicted as they are."""
    name = f"finding the sizes of objects, {row.contender.name}"
    samples = partial(track, data, name, len(data), show=progress and row.contender.sizing is not None)
    return find_scales(row.contender, predictor, samples, data=data.digest, time_limit_s=row.time_limit_s)


def _predict(
    row: Row, predictor: Predictor, params: Mapping[str, Any], predictions: Predictions, *, progress: bool
) -> None:
    """Predict what is not there yet."""
    if row.contender.reason:
        raise PackageError(row.contender.reason)
    assert row.contender.decode is not None
    missing = [id for id in row.data.ids if not predictions.has(id)]
    if not missing:
        return
    scales = _scales(row, row.data, predictor, progress=progress)
    # shape of the image as it is predicted, and as it is, and what the decoder is told of it
    asked = deque[tuple[tuple[int, ...], tuple[int, ...], Mapping[str, Any]]]()

    def images() -> Iterator[xr.DataArray]:
        for id in missing:
            sample = row.data[id]
            own, scale = sample.target.shape, scales.get(id, Scale())
            image = scaled_image(sample.image, scale.factor)
            asked.append((scaled_shape(own, scale.factor), own, row.contender.of_image(image)))
            yield image

    def keep(id: str, network_s: float, shape: tuple[int, ...], done: Decoded) -> None:
        found, objects = scaled_labels(done.found, done.objects, shape)
        scale = scales.get(id, Scale())
        seconds = scale.seconds + network_s + done.seconds
        predictions.put(id, found, objects, seconds, scale=scale.factor if id in scales else None)

    decoders = Decoders(row.contender.decode, time_limit_s=row.time_limit_s)
    id = ""
    try:
        with decoders:
            maps_in_order = maps_of(predictor, images())
            for id in track(missing, f"predicting {row.contender.name}", len(missing), show=progress):
                try:
                    maps, seconds = next(maps_in_order)
                except (PackageError, WorkerError):
                    decoders.finish()  # an error of an image before this one comes first
                    raise
                shape, own, told = asked.popleft()
                decoders.decode(id, maps, shape, {**params, **told}, keep=partial(keep, id, seconds, own))
    except (PackageError, WorkerError) as error:
        failed = decoders.failed or id
        error.args = (f"{error} (image {failed})",) if len(row.data) > 1 and failed != missing[0] else error.args
        raise
