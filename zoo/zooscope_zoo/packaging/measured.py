"""Measured: a decoder's parameters and scores on the images that a run validated on, by the harness."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from zooscope.contender import Contender, Predictor, contender
from zooscope.data import Dataset, load_dataset
from zooscope.decoding.scores import OBJECTIVES
from zooscope.errors import DataError
from zooscope.metrics import find_metric, measure
from zooscope.metrics.matched_classes import matched_classes
from zooscope.progress import track
from zooscope.report.shown import shown_on
from zooscope.runkey import PREDICT_VERSION, digest_of
from zooscope.sample import Sample, Task
from zooscope.scales import Scale, answer_at, find_scales, objects_at, scaled
from zooscope.tune import tune
from zooscope_zoo.packaging.trained import Trained
from zooscope_zoo.training.images import object_sizes, split_samples

OBJECTIVE = OBJECTIVES[Task.INSTANCE_SEGMENTATION]
METRICS = ("ap50.per-image@1", "ap75.per-image@1", "ap.per-image@1", "f1-50.per-image@1", "pq50.per-image@1")


class Measured(BaseModel):
    """What was found on the validation images, after rounding the weights.

    Attributes
    ----------
    decoder, params : `id@version` and all its parameters, tuned for `objective` on these very images.
    scores : by metric.
    objects, object_px : how many objects the validation images have, and the longer edge of their boxes: median, 95th
        percentile, largest. None where images are restored.
    classes : of the true classes, how many objects that were found (IoU > 0.5) were given each class.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    decoder: str
    params: dict[str, float | int | list[str]]
    objective: str
    scores: dict[str, float]
    images: int
    objects: int | None = None
    object_px: tuple[int, int, int] | None = None
    classes: dict[str, dict[str, int]] | None = None


def measure_package(trained: Trained, package: Path, *, progress: bool = False) -> Measured:
    """Tune and score a package, made without decoder, on the images that its run validated on.

    Raises
    ------
    DataError : data that is no longer what the run was trained on. PackageError, WorkerError : it cannot run.
    """
    if trained.method.task is Task.RESTORATION:
        return measure_restoration(trained, package, progress=progress)
    found = contender(str(package), decoder=trained.decoder)
    found = replace(found, params={**found.params, **trained.decoder_params})
    assert found.open is not None, found.reason
    data = validation_data(trained)
    plan = {name: list(values) for name, values in found.search.items()}
    ids = [(dataset.digest, chosen) for dataset, chosen in data]
    key = digest_of("export", found.digest, dict(found.protocol), plan, ids, OBJECTIVE, PREDICT_VERSION)
    with found.open() as predictor:
        count = sum(len(chosen) for _, chosen in data)
        shown = progress and found.sizing is not None

        def sized() -> Iterable[Sample]:
            return track(_samples(data), "finding the sizes of objects", count, show=shown)

        scales = find_scales(found, predictor, sized, data=ids)
        samples = (scaled(sample, scales.get(sample.id)) for sample in _samples(data))
        tuned, _ = tune(found, predictor, track(samples, "tuning", count, show=progress), key=key)
        found = replace(found, params={**found.params, **tuned})
        if tuned:  # the package finds its images' scales with these parameters
            scales = find_scales(found, predictor, sized, data=ids)
        samples = track(_samples(data), "validating", count, show=progress)
        return _measured(found, predictor, samples, scales, trained.classes)


def measure_restoration(trained: Trained, package: Path, *, progress: bool = False) -> Measured:
    """Score the restored validation images; no score where the data has no clean images."""
    data = [
        (dataset, ids)
        for dataset, ids in validation_data(trained)
        if dataset.card.task is Task.RESTORATION
        and not set(dataset.table.loc[ids, "split"]) & set(dataset.card.without_truth)
    ]
    metrics = list(dict.fromkeys(name for dataset, _ in data for name in shown_on(dataset.card).metrics[:4]))
    params, count = trained.decoder_params, sum(len(ids) for _, ids in data)
    found = contender(str(package), decoder=trained.decoder, task=Task.RESTORATION, space=trained.space)
    assert found.open is not None, found.reason
    assert found.decode is not None
    before: list[dict[str, float]] = []
    after: list[dict[str, float]] = []
    if data:
        with found.open() as predictor:
            for sample in track(_samples(data), "validating", count, show=progress):
                image = answer_at(found, predictor, sample, 1.0, params)
                before.append(measure(sample.image.values, sample.target, task=Task.RESTORATION))
                after.append(measure(image, sample.target, task=Task.RESTORATION))
    scores = _scores(after, metrics) | {f"noisy {name}": value for name, value in _scores(before, metrics).items()}
    objective = OBJECTIVES[Task.RESTORATION]
    decoder = str(found.protocol["decoder"])
    return Measured(decoder=decoder, params=dict(params), objective=objective, scores=scores, images=count)


def validation_data(trained: Trained) -> list[tuple[Dataset, list[str]]]:
    """Each data set of the run with the ids that it validated on."""
    found: list[tuple[Dataset, list[str]]] = []
    for name, about in zip(trained.config.datasets, trained.data, strict=True):
        dataset = load_dataset(name)
        if dataset.digest != about["digest"]:
            raise DataError(
                f"data set '{name}': its content's digest is {dataset.digest[:12]}, the run was trained on "
                f"{about['digest'][:12]}; export where the same data lies"
            )
        found.append((dataset, split_samples(dataset, strata=trained.config.training.strata)[1]))
    return found


def _samples(data: list[tuple[Dataset, list[str]]]) -> Iterator[Sample]:
    """All samples, under ids that no two data sets share."""
    for number, (dataset, ids) in enumerate(data):
        for id in ids:
            yield replace(dataset[id], id=f"{number}-{id}")


def _measured(
    found: Contender,
    predictor: Predictor,
    samples: Iterable[Sample],
    scales: Mapping[str, Scale],
    classes: Sequence[str],
) -> Measured:
    records: list[dict[str, float]] = []
    sizes: list[np.ndarray[Any, Any]] = []
    pairs: Counter[tuple[str, str]] = Counter()
    for sample in samples:
        factor = scales.get(sample.id, Scale()).factor
        labels, objects = objects_at(found, predictor, sample, factor, found.params)
        records.append(measure(labels, sample.target))
        if classes:
            pairs.update(matched_classes(labels, objects["class"].tolist(), sample.target, sample.classes or {}))
        sizes.append(object_sizes(sample.target))
    edges = np.concatenate(sizes)
    return Measured(
        decoder=str(found.protocol["decoder"]),
        params=dict(found.params),
        objective=OBJECTIVE,
        scores=_scores(records, METRICS),
        images=len(records),
        objects=len(edges),
        classes={true: {given: pairs[true, given] for given in classes} for true in classes} if classes else None,
        object_px=(int(np.median(edges)), int(np.percentile(edges, 95)), int(edges.max(initial=0))),
    )


def _scores(records: Sequence[Mapping[str, float]], metrics: Sequence[str]) -> dict[str, float]:
    """Each metric over all images; none without images."""
    if not records:
        return {}
    columns = {name: np.array([record[name] for record in records]) for name in records[0]}
    return {name: round(find_metric(name).reduce(columns), 4) for name in metrics}
