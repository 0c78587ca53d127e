"""Tuning: the best combination on the validation images, ties to the first, each image's scores kept."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from zooscope.contender import Contender, contender
from zooscope.data import Dataset, load_dataset
from zooscope.decode.threshold_components import decode
from zooscope.decoding.scores import OBJECTIVES
from zooscope.metrics import find_metric, measure
from zooscope.sample import Sample, Task
from zooscope.tune import plan, tune


@pytest.fixture(autouse=True)
def _own_cache(fresh_cache: Path) -> None: ...


@pytest.fixture
def validation(demo: Dataset) -> list[Sample]:
    return [sample for sample in demo.only("validation") if sample.axes == "yx"]


class Scaled:
    """Maps that are the image itself from 0 to 1; counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def maps(self, image: xr.DataArray) -> np.ndarray:
        self.asked += 1
        values = image.values.astype(np.float32)
        return ((values - values.min()) / np.ptp(values))[None]


def searching(search: Mapping[str, tuple[Any, ...]], **params: Any) -> Contender:
    return Contender(
        "made-up", "0" * 64, {}, params={"threshold": 0.5, "min_size_px": 0, **params}, search=search, decode=decode
    )


SEARCH = {"threshold": (0.1, 0.2, 0.3, 0.5, 0.9), "min_size_px": (0, 20)}


def test_the_best_combination_by_the_objective_is_chosen(validation: list[Sample]):
    params, score = tune(searching(SEARCH), Scaled(), validation, key="1" * 64)
    by_hand = {}
    for threshold in SEARCH["threshold"]:
        for size in SEARCH["min_size_px"]:
            records = [
                measure(
                    decode(Scaled().maps(s.image), s.target.shape, threshold=threshold, min_size_px=size)[0], s.target
                )
                for s in validation
            ]
            columns = {name: np.array([record[name] for record in records]) for name in records[0]}
            by_hand[threshold, size] = find_metric(OBJECTIVES[Task.INSTANCE_SEGMENTATION]).reduce(columns)
    best = max(by_hand, key=lambda values: by_hand[values])
    assert (params["threshold"], params["min_size_px"]) == best
    assert score == pytest.approx(by_hand[best])
    assert score > min(by_hand.values()) + 0.1


def test_of_equally_good_ones_the_first_is_chosen(validation: list[Sample]):
    params, _ = tune(searching({"min_size_px": (2, 1, 0, 3)}, threshold=2.0), Scaled(), validation, key="2" * 64)
    assert params == {"min_size_px": 2}


def test_each_image_is_asked_for_once_whatever_the_combinations_and_kept(validation: list[Sample], fresh_cache: Path):
    predictor = Scaled()
    first = tune(searching(SEARCH), predictor, validation, key="3" * 64)
    assert predictor.asked == len(validation) == 2
    kept = sorted((fresh_cache / "tuning" / ("3" * 64)).iterdir())
    assert [path.stem for path in kept] == sorted(sample.id for sample in validation)
    assert all(len(json.loads(path.read_text())) == 10 for path in kept)
    assert tune(searching(SEARCH), predictor, validation, key="3" * 64) == first
    assert predictor.asked == 2
    tune(searching(SEARCH), predictor, validation, key="4" * 64)
    assert predictor.asked == 4


def test_parameters_that_are_not_searched_keep_their_values(validation: list[Sample]):
    seen: list[dict[str, Any]] = []

    def spy(maps: np.ndarray, shape: tuple[int, int], **params: Any) -> Any:
        seen.append(params)
        return decode(maps, shape, **params)

    from dataclasses import replace

    tune(
        replace(searching({"threshold": (0.2, 0.4)}, min_size_px=7), decode=spy), Scaled(), validation[:1], key="5" * 64
    )
    assert seen == [{"threshold": 0.2, "min_size_px": 7}, {"threshold": 0.4, "min_size_px": 7}]


def test_what_is_planned_is_in_the_key(demo: Dataset, make_folder: Callable[..., Path]):
    validation = demo.only("validation")
    planned = plan(searching(SEARCH), validation)
    assert planned == {
        "objective": "ap.per-image@1",
        "split": "validation",
        "data": demo.digest,
        "search": {"threshold": [0.1, 0.2, 0.3, 0.5, 0.9], "min_size_px": [0, 20]},
    }
    assert plan(searching(SEARCH), load_dataset(make_folder("vt"), split="validation"))["data"] != demo.digest  # type: ignore[index]


def test_nothing_is_planned_where_nothing_is_searched_or_there_is_nothing_to_search_on(demo: Dataset):
    assert plan(searching(SEARCH), None) is None
    assert plan(searching({}), demo.only("validation")) is None
    assert plan(contender("baseline:otsu-watershed@1"), demo.only("validation")) is None
    assert plan(contender("nuclei-tiny"), demo.only("validation")) is None, "its author set its decoder"
