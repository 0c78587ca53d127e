"""Tuning: a decoder's parameters, chosen on the validation split and nowhere else."""

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from zooscope import atomic
from zooscope.cache import cache_folder
from zooscope.contender import Contender, Predictor
from zooscope.data.dataset import Dataset
from zooscope.metrics import find_metric, measure
from zooscope.sample import Sample

OBJECTIVE = "ap.per-image@1"


def plan(contender: Contender, validation: Dataset | None) -> dict[str, Any] | None:
    """What tuning would do, for the run's key; None where nothing is searched or there is no validation split."""
    if not contender.search or validation is None:
        return None
    search = {name: list(values) for name, values in contender.search.items()}
    return {"objective": OBJECTIVE, "split": validation.split, "data": validation.digest, "search": search}


def tune(
    contender: Contender, predictor: Predictor, samples: Iterable[Sample], *, key: str
) -> tuple[dict[str, Any], float]:
    """The parameters with the best objective, and that objective.

    Every combination is tried on each image's maps; of equally good ones the first in the order of the search wins.

    Parameters
    ----------
    key : of model, validation data and search; each image's scores are kept under it, so a killed tuning goes on.
    """
    assert contender.decode is not None
    combinations = [
        dict(zip(contender.search, values, strict=True)) for values in itertools.product(*contender.search.values())
    ]
    folder = cache_folder("tuning", key)
    totals = [0.0] * len(combinations)
    count = 0
    for sample in samples:
        done = folder / f"{sample.id}.json"
        if not done.is_file():
            maps = predictor.maps(sample.image)
            scores = [_score(contender, maps, sample, {**contender.params, **params}) for params in combinations]
            atomic.write_text(done, json.dumps(scores))
        totals = [total + score for total, score in zip(totals, json.loads(done.read_text()), strict=True)]
        count += 1
    best = max(range(len(totals)), key=lambda index: totals[index])
    return combinations[best], totals[best] / count


def _score(contender: Contender, maps: Any, sample: Sample, params: Mapping[str, Any]) -> float:
    import numpy as np

    assert contender.decode is not None
    labels, _ = contender.decode(maps, sample.target.shape, **params)
    record = {name: np.array([value]) for name, value in measure(labels, sample.target).items()}
    return find_metric(OBJECTIVE).reduce(record)
