"""How long scoring takes beside stardist.matching and cellpose.metrics: same label images, same counts."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.measure import label
from stardist.matching import matching

from zooscope.baselines.thresholds import otsu_watershed
from zooscope.data import Dataset
from zooscope.metrics import matching as ours
from zooscope.metrics import measure
from zooscope.metrics.overlap import Overlap

cellpose = pytest.importorskip("cellpose.metrics", reason="cellpose 3.1 is to be on PYTHONPATH (pip install --target)")

Labels = NDArray[np.int32]
Pairs = Sequence[tuple[Labels, Labels]]
"""(prediction, truth)."""

FRACTIONS = [percent / 100 for percent in ours.THRESHOLDS]


def counts_of_ours(pairs: Pairs) -> list[list[float]]:
    records = [ours.measure(Overlap.of(prediction, truth)) for prediction, truth in pairs]
    return [[record[f"tp{percent}"] for percent in ours.THRESHOLDS] for record in records]


def everything(pairs: Pairs) -> list[dict[str, float]]:
    return [measure(prediction, truth) for prediction, truth in pairs]


def counts_of_stardist(pairs: Pairs) -> list[list[float]]:
    return [[m.tp for m in matching(truth, prediction, thresh=FRACTIONS)] for prediction, truth in pairs]


def counts_of_cellpose(pairs: Pairs) -> list[list[float]]:
    found = [cellpose.average_precision(truth, prediction, threshold=FRACTIONS) for prediction, truth in pairs]
    return [list(tp) for _, tp, _, _ in found]


def best_of(count: int, call: Callable[[Pairs], object], pairs: Pairs) -> float:
    """Seconds, the best of several."""
    taken = []
    for _ in range(count):
        begin = time.perf_counter()
        call(pairs)
        taken.append(time.perf_counter() - begin)
    return min(taken)


def compare(pairs: Pairs, *, repeats: int) -> dict[str, float]:
    """Seconds of each, after all have been seen to count the same."""
    assert counts_of_ours(pairs) == counts_of_stardist(pairs) == counts_of_cellpose(pairs)
    calls = {"ours": counts_of_ours, "all_metrics": everything, "cellpose": counts_of_cellpose}
    seconds = {f"{name}_s": best_of(repeats, call, pairs) for name, call in calls.items()}
    seconds["stardist_s"] = best_of(1, counts_of_stardist, pairs)
    told = {name: round(value, 4) for name, value in seconds.items()}
    for peer in ("stardist", "cellpose"):
        told[f"{peer}_over_ours"] = round(seconds[f"{peer}_s"] / seconds["ours_s"], 2)
        told[f"{peer}_over_all_metrics"] = round(seconds[f"{peer}_s"] / seconds["all_metrics_s"], 2)
    return told


def test_scoring_real_label_images_is_never_slower(dsb2018: Dataset, record: Callable[..., None]) -> None:
    samples = [s for s in dsb2018.only("test") if s.stratum.startswith("fluorescence")]
    pairs = [(otsu_watershed(s.image.values.astype(np.float32)), s.target) for s in samples]
    told = compare(pairs, repeats=5)
    record("scoring-dsb2018", images=len(pairs), thresholds=len(FRACTIONS), **told)
    assert told["stardist_over_ours"] >= 1
    assert told["cellpose_over_ours"] >= 1


def test_scoring_thousands_of_objects_is_hundreds_of_times_faster(record: Callable[..., None]) -> None:
    y, x = np.mgrid[:2048, :2048]
    truth = label((y % 23 < 17) & (x % 23 < 18)).astype(np.int32)
    prediction = np.roll(truth, (2, 1), (0, 1))
    prediction[np.isin(prediction, np.random.default_rng(0).choice(truth.max(), 500))] = 0
    told = compare([(prediction, truth)], repeats=5)
    record("scoring-large", size_px=2048, objects=int(truth.max()), thresholds=len(FRACTIONS), **told)
    assert told["stardist_over_ours"] >= 200
    assert told["cellpose_over_ours"] >= 1
