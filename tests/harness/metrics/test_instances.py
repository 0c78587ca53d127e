"""Instance metrics: equal to StarDist's own on real labels, and right where matches tie or nothing is there."""

from collections.abc import Sequence

import numpy as np
import pytest
from stardist.matching import matching, matching_dataset

from zooscope.baselines.thresholds import local_threshold, otsu_watershed
from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.errors import UsageError
from zooscope.metrics import METRICS, find_metric, measure, metrics_of
from zooscope.metrics.matching import THRESHOLDS
from zooscope.sample import Task

Pairs = Sequence[tuple[np.ndarray, np.ndarray]]
"""(prediction, truth)."""


def records(pairs: Pairs) -> dict[str, np.ndarray]:
    found = [measure(prediction, truth) for prediction, truth in pairs]
    return {name: np.array([record[name] for record in found]) for name in found[0]}


def score(name: str, pairs: Pairs) -> float:
    return find_metric(f"{name}@1").reduce(records(pairs))


@pytest.fixture(scope="module")
def pairs(demo: Dataset) -> Pairs:
    """Two baselines' answers to every demo image."""
    found = []
    for sample in demo:
        gray = to_channels(sample.image, 1)[0].astype(np.float32)
        found += [(otsu_watershed(gray), sample.target), (local_threshold(gray), sample.target)]
    return found


def check_against_stardist(pairs: Pairs) -> None:
    found = records(pairs)
    fractions = [percent / 100 for percent in THRESHOLDS]
    by_image = [matching(truth, prediction, thresh=fractions) for prediction, truth in pairs]
    predictions, truths = zip(*pairs, strict=True)
    by_threshold = matching_dataset(truths, predictions, thresh=fractions, show_progress=False)
    for percent, theirs, pooled in zip(THRESHOLDS, zip(*by_image, strict=True), by_threshold, strict=True):
        np.testing.assert_array_equal(found[f"tp{percent}"], [m.tp for m in theirs])
        np.testing.assert_array_equal(found["true"], [m.n_true for m in theirs])
        np.testing.assert_array_equal(found["predicted"], [m.n_pred for m in theirs])
        names = {"ap": "accuracy", "f1-": "f1", "pq": "panoptic_quality"}
        for ours, attribute in names.items():
            if f"{ours}{percent}.pooled@1" in METRICS:
                mean = np.mean([getattr(m, attribute) for m in theirs])
                np.testing.assert_allclose(METRICS[f"{ours}{percent}.per-image@1"].reduce(found), mean)
                np.testing.assert_allclose(
                    METRICS[f"{ours}{percent}.pooled@1"].reduce(found), getattr(pooled, attribute)
                )


def test_all_ten_thresholds_have_an_ap_and_some_have_f1_and_pq():
    assert THRESHOLDS == (50, 55, 60, 65, 70, 75, 80, 85, 90, 95)
    assert {f"ap{percent}.per-image@1" for percent in THRESHOLDS} < set(METRICS)
    assert {"f1-50.pooled@1", "f1-75.per-image@1", "pq50.per-image@1", "pq50.pooled@1"} < set(METRICS)


def test_demo_scores_are_those_of_stardist_at_all_ten_thresholds(pairs: Pairs):
    check_against_stardist(pairs)


def test_dsb2018_test_scores_are_those_of_stardist_at_all_ten_thresholds(dsb2018: Dataset):
    test = dsb2018.only("test")
    assert len(test) == 99
    gray = ((to_channels(sample.image, 1)[0].astype(np.float32), sample.target) for sample in test)
    check_against_stardist([(otsu_watershed(image), target) for image, target in gray])


def test_mean_ap_is_the_mean_of_the_ten(pairs: Pairs):
    ten = [score(f"ap{percent}.per-image", pairs) for percent in THRESHOLDS]
    np.testing.assert_allclose(score("ap.per-image", pairs), np.mean(ten))


@pytest.mark.parametrize("name", sorted(metrics_of(Task.INSTANCE_SEGMENTATION)))
def test_the_truth_itself_has_the_best_score(name: str, demo: Dataset):
    metric = METRICS[name]
    score = metric.reduce(records([(sample.target, sample.target) for sample in demo]))
    assert score == (1.0 if metric.higher_is_better else 0.0)


def halves(*, split_truth: bool) -> tuple[np.ndarray, np.ndarray]:
    """One object of 8 pixels against its two halves of 4: both pairs have an IoU of exactly 0.5."""
    whole, cut = np.zeros((2, 4, 4), np.int32)
    whole[:2] = 1
    cut[:2, :2], cut[:2, 2:] = 1, 2
    return (whole, cut) if split_truth else (cut, whole)


@pytest.mark.parametrize("split_truth", [False, True])
def test_an_object_is_matched_once_even_where_two_pairs_have_an_iou_of_exactly_a_half(split_truth: bool):
    record = measure(*halves(split_truth=split_truth))
    assert (record["true"], record["predicted"]) == ((2, 1) if split_truth else (1, 2))
    assert (record["tp50"], record["iou50"], record["tp55"]) == (1, 0.5, 0)
    prediction, truth = halves(split_truth=split_truth)
    assert matching(truth, prediction, thresh=0.5).tp == 1


def test_of_a_chain_of_ties_as_many_as_possible_are_matched():
    # A chain: true 1 ties with predicted 1 and 2, true 2 with predicted 2 ... cannot be; ties share halves. So two
    # true objects of 4, each cut into two predicted halves: four ties, of which two can stand.
    truth = np.repeat([[1, 1, 1, 1, 2, 2, 2, 2]], 2, axis=0).astype(np.int32)
    prediction = np.repeat([[1, 1, 2, 2, 3, 3, 4, 4]], 2, axis=0).astype(np.int32)
    record = measure(prediction, truth)
    assert (record["tp50"], record["iou50"]) == (2, 1.0)
    assert matching(truth, prediction, thresh=0.5).tp == 2


def test_an_iou_that_equals_the_threshold_is_a_match():
    truth, prediction = np.zeros((2, 1, 20), np.int32)
    truth[0, :] = 1
    for percent in (55, 60, 65, 70, 75, 80, 85, 90, 95):
        prediction[:] = 0
        prediction[0, : percent // 5] = 1
        record = measure(prediction, truth)
        assert record[f"tp{percent}"] == 1
        assert percent == 95 or record[f"tp{percent + 5}"] == 0


EMPTY, ONE = np.zeros((6, 6), np.int32), np.pad(np.ones((2, 2), np.int32), 2)


@pytest.mark.parametrize(
    ("prediction", "truth", "expected"),
    [(EMPTY, EMPTY, 1.0), (EMPTY, ONE, 0.0), (ONE, EMPTY, 0.0), (ONE, ONE, 1.0)],
    ids=["nothing to find and nothing found", "nothing found", "nothing to find", "all found"],
)
def test_empty_images_count_as_wholly_right_or_wholly_wrong(prediction: np.ndarray, truth: np.ndarray, expected: float):
    for name in ("ap50", "ap95", "ap", "f1-50", "pq50", "fg-iou", "dice"):
        assert score(f"{name}.per-image", [(prediction, truth)]) == expected


def test_a_pooled_score_of_nothing_at_all_is_not_a_number():
    assert np.isnan(score("ap50.pooled", [(EMPTY, EMPTY)]))


def test_pooled_counts_objects_and_per_image_counts_images():
    many = np.zeros((20, 20), np.int32)
    many[::2, ::2] = np.arange(1, 101).reshape(10, 10)
    pairs = [(many, many), (np.zeros((6, 6), np.int32), ONE)]  # 100 of 100 found, and 0 of 1
    assert score("ap50.per-image", pairs) == 0.5
    assert score("ap50.pooled", pairs) == 100 / 101


def test_objects_of_one_pixel_match():
    truth = np.zeros((5, 5), np.int32)
    truth[1, 1], truth[3, 3] = 1, 2
    found = truth.copy()
    found[3, 3], found[3, 4] = 0, 2
    record = measure(found, truth)
    assert (record["true"], record["predicted"], record["tp95"]) == (2, 2, 1)


@pytest.mark.parametrize("factor", [3, 70_001, 100_000_000])
def test_numbers_of_objects_do_not_matter(factor: int, demo: Dataset):
    truth = demo[demo.ids[0]].target
    found = np.roll(truth, 2, 1)
    few = np.where(np.isin(truth, [1, 2, 3, 4, 5]), truth, 0)
    few_found = np.where(np.isin(found, [1, 2, 3, 4, 5]), found, 0)
    assert measure(few_found * factor, few * factor) == measure(few_found, few)


def test_labels_beyond_65535_are_not_confused():
    truth = np.arange(1, 70_001, dtype=np.int32).reshape(280, 250)
    record = measure(truth, truth)
    assert record["true"] == record["tp95"] == 70_000


def test_shapes_that_differ_are_an_error():
    with pytest.raises(ValueError, match="differ in shape"):
        measure(np.zeros((4, 5), np.int32), np.zeros((5, 4), np.int32))


def test_a_metric_that_does_not_exist_is_named_beside_those_that_do():
    with pytest.raises(UsageError, match=r"metric 'ap51' is not one of .*ap50\.per-image@1"):
        find_metric("ap51")


def test_weights_count_an_image_as_often_as_they_say(pairs: Pairs):
    few = list(pairs[:4])
    for name in ("ap50.per-image@1", "ap50.pooled@1", "ap.per-image@1", "dice.pooled@1"):
        weighted = METRICS[name].reduce(records(few), np.array([2.0, 0.0, 1.0, 3.0]))
        repeated = METRICS[name].reduce(records([few[0], few[0], few[2], few[3], few[3], few[3]]))
        np.testing.assert_allclose(weighted, repeated)
