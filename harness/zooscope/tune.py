"""Tuning: a decoder's parameters, chosen on the validation split and nowhere else."""

import itertools
import json
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import xarray as xr

from zooscope import atomic
from zooscope.cache import cache_folder
from zooscope.contender import Contender, Predictor, maps_of
from zooscope.data.dataset import Dataset
from zooscope.decoding import Decoders
from zooscope.decoding.pool import cores
from zooscope.decoding.scores import OBJECTIVES
from zooscope.sample import Sample, Task


def plan(contender: Contender, validation: Dataset | None) -> dict[str, Any] | None:
    """What tuning would do, for the run's key; None where nothing is searched or there is no validation split."""
    if not contender.search or validation is None:
        return None
    search = {name: list(values) for name, values in contender.search.items()}
    objective = OBJECTIVES[validation.card.task]
    return {"objective": objective, "split": validation.split, "data": validation.digest, "search": search}


def tune(
    contender: Contender,
    predictor: Predictor,
    samples: Iterable[Sample],
    *,
    key: str,
    task: Task = Task.INSTANCE_SEGMENTATION,
    time_limit_s: float = 600,
) -> tuple[dict[str, Any], float]:
    """The parameters with the best objective, and that objective.

    Each image's maps are asked for once, and every combination is tried on them, several images at a time; of equally
    good ones the first in the order of the search wins.

    Parameters
    ----------
    key : of model, validation data and search; each image's scores are kept under it, so a killed tuning goes on.
    time_limit_s : the longest that one combination may take on one image, on average.
    """
    assert contender.decode is not None
    combinations = [
        dict(zip(contender.search, values, strict=True)) for values in itertools.product(*contender.search.values())
    ]
    tried = [{**contender.params, **params} for params in combinations]
    folder, ids, asked = cache_folder("tuning", key), list[str](), deque[Sample]()

    def images() -> Iterator[xr.DataArray]:
        for sample in samples:
            ids.append(sample.id)
            if not (folder / f"{sample.id}.json").is_file():
                asked.append(sample)
                yield sample.image

    def keep(id: str, scores: list[float]) -> None:
        atomic.write_text(folder / f"{id}.json", json.dumps(scores))

    with Decoders(contender.decode, processes=cores(), time_limit_s=time_limit_s * len(tried)) as decoders:
        for maps, _ in maps_of(predictor, images()):
            sample = asked.popleft()
            told = contender.of_image(sample.image)
            combined = [{**params, **told} for params in tried]
            decoders.score(sample.id, maps, sample.target, combined, task=task, keep=partial(keep, sample.id))
    totals = [0.0] * len(combinations)
    for id in ids:
        scores = json.loads((folder / f"{id}.json").read_text())
        totals = [total + score for total, score in zip(totals, scores, strict=True)]
    best = max(range(len(totals)), key=lambda index: totals[index])
    return combinations[best], totals[best] / len(ids)
