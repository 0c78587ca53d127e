"""Class maps: equal to scikit-learn's counts on real maps, boundaries to nearest distances."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.spatial import KDTree
from skimage.segmentation import find_boundaries
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from zooscope.metrics import boundary, find_metric, measure, metrics_of
from zooscope.metrics.classes import CLASSES
from zooscope.sample import Task

Pair = tuple[np.ndarray, np.ndarray]


def three_classes(labels: np.ndarray) -> np.ndarray:
    """Background, the inside of objects, and (class 5) their rim: what a three-class network is trained on."""
    return np.where(find_boundaries(labels, mode="inner"), 5, labels > 0)


def maps(answers: Sequence[Any]) -> list[Pair]:
    return [(three_classes(answer.found), three_classes(answer.truth)) for answer in answers]


def records(pairs: Sequence[Pair]) -> dict[str, np.ndarray]:
    found = [measure(prediction, truth, task=Task.SEMANTIC_SEGMENTATION) for prediction, truth in pairs]
    return {name: np.array([record[name] for record in found]) for name in found[0]}


def score(name: str, pairs: Sequence[Pair]) -> float:
    return find_metric(f"{name}@1").reduce(records(pairs))


def check_against_scikit_learn(pairs: Sequence[Pair]) -> None:
    found = records(pairs)
    flat = [(truth.ravel(), prediction.ravel()) for prediction, truth in pairs]
    pooled = tuple(np.concatenate(side) for side in zip(*flat, strict=True))
    assert set(np.unique(pooled[0])) == {0, 1, 5}
    ours = {metric.name: metric.reduce(found) for metric in metrics_of(Task.SEMANTIC_SEGMENTATION).values()}
    expected = {
        "class-accuracy.per-image@1": np.mean([accuracy_score(*each) for each in flat]),
        "class-accuracy.pooled@1": accuracy_score(*pooled),
    }
    for name, theirs in (("class-iou", jaccard_score), ("class-dice", f1_score)):
        # their mean is over the classes that are in either map
        expected[f"{name}-mean.per-image@1"] = np.mean([theirs(*each, average="macro") for each in flat])
        expected[f"{name}-mean.pooled@1"] = theirs(*pooled, average="macro")
        for c in (0, 1, 5):
            there = [each for each in flat if c in np.union1d(*each)]
            one = [theirs(*each, labels=[c], average="macro") for each in there]
            expected[f"{name}-{c}.per-image@1"] = np.mean(one)
            expected[f"{name}-{c}.pooled@1"] = theirs(*pooled, labels=[c], average="macro")
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-12, err_msg=name)


def test_demo_scores_are_those_of_scikit_learn(answers: Sequence[Any]):
    check_against_scikit_learn(maps(answers[:6]))


def nearest_f(prediction: np.ndarray, truth: np.ndarray, c: int) -> float | None:
    """Boundary F of a class from the distances between boundary pixels; None where neither has a boundary."""
    padded = (np.pad(side == c, 1, mode="edge") for side in (prediction, truth))
    edges = [find_boundaries(side, mode="inner", connectivity=1) for side in padded]
    found, real = (np.argwhere(side[1:-1, 1:-1]) for side in edges)
    if not len(found) or not len(real):
        return 0.0 if len(found) or len(real) else None
    precision, recall = (np.mean(KDTree(b).query(a)[0] <= 2) for a, b in ((found, real), (real, found)))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def check_boundaries(pairs: Sequence[Pair]) -> None:
    means = []
    for prediction, truth in pairs:
        by_class = {c: value for c in (0, 1, 5) if (value := nearest_f(prediction, truth, c)) is not None}
        found = records([(prediction, truth)])
        for c, value in by_class.items():
            for how in ("per-image", "pooled"):
                ours = find_metric(f"boundary-f-2px-{c}.{how}@1").reduce(found)
                np.testing.assert_allclose(ours, value, rtol=1e-12)
        means += [np.mean(list(by_class.values()))]
    np.testing.assert_allclose(score("boundary-f-2px-mean.per-image", pairs), np.mean(means), rtol=1e-12)


def test_boundary_f_of_the_demo_is_that_of_nearest_distances(answers: Sequence[Any]):
    check_boundaries(maps(answers[:4]))


def test_boundary_f_by_hand():
    truth, found = np.zeros((2, 20, 20), int)
    truth[:, 10:], found[:, 12:] = 1, 1
    assert score("boundary-f-2px-1.pooled", [(found, truth)]) == 1  # two pixels apart
    found[:10] = 0
    found[:10, 13:] = 1  # three apart in the upper half
    # the corner of the step is two right and one down of the next true pixel: too far as well
    record = measure(found, truth, task=Task.SEMANTIC_SEGMENTATION)
    assert (record["true_edge_1"], record["true_near_1"]) == (20, 10)
    assert (record["found_edge_1"], record["found_near_1"]) == (20, 10)
    assert score("boundary-f-2px-1.pooled", [(found, truth)]) == 0.5


def test_the_edge_of_the_image_is_no_boundary():
    whole = np.ones((6, 6), bool)
    assert len(boundary.boundary(whole)) == 0
    whole[2, 3] = False
    assert sorted(divmod(i, 6) for i in boundary.boundary(whole).tolist()) == [(1, 3), (2, 2), (2, 4), (3, 3)]


def test_a_class_of_one_pixel_has_a_boundary_of_one_pixel():
    truth, found = np.zeros((2, 9, 9), np.uint8)
    truth[4, 4] = found[4, 6] = 3
    assert score("boundary-f-2px-3.pooled", [(found, truth)]) == 1
    assert score("class-iou-3.pooled", [(found, truth)]) == 0
    found[4, 6], found[4, 7] = 0, 3
    assert score("boundary-f-2px-3.pooled", [(found, truth)]) == 0


def test_a_class_in_neither_map_is_left_out_and_one_in_a_single_map_counts_as_nothing_right():
    truth, found = np.zeros((2, 8, 8), int)
    truth[:4], found[:4], found[7, 7] = 1, 1, 2
    assert np.isnan(score("class-iou-3.per-image", [(found, truth)]))
    assert np.isnan(score("boundary-f-2px-3.pooled", [(found, truth)]))
    assert (
        score("class-iou-2.per-image", [(found, truth)]) == score("boundary-f-2px-2.per-image", [(found, truth)]) == 0
    )
    assert score("class-iou-mean.per-image", [(found, truth)]) == pytest.approx((31 / 32 + 1 + 0) / 3)
    assert score("class-iou-1.pooled", [(found, truth), (truth * 0, truth * 0)]) == 1
    assert score("class-iou-1.per-image", [(found, truth), (truth * 0, truth * 0)]) == 1


def test_maps_of_one_class_are_right_and_have_no_boundary_to_compare():
    one = np.full((5, 5), 4)
    assert score("class-iou-mean.per-image", [(one, one)]) == score("class-accuracy.per-image", [(one, one)]) == 1
    assert np.isnan(score("boundary-f-2px-mean.per-image", [(one, one)]))
    assert np.isnan(score("boundary-f-2px-mean.pooled", [(one, one)]))


def test_every_image_has_the_same_columns(answers: Sequence[Any]):
    empty = np.zeros((3, 3), bool)
    columns = list(measure(empty, empty, task=Task.SEMANTIC_SEGMENTATION))
    assert columns == list(measure(*maps(answers[:1])[0], task=Task.SEMANTIC_SEGMENTATION))
    assert len(columns) == 7 * len(CLASSES)


def test_the_truth_itself_scores_one_and_weights_count_images(answers: Sequence[Any]):
    pairs = maps(answers[:4])
    found, truth = records(pairs), records([(real, real) for _, real in pairs])
    repeated = records([pairs[0], pairs[0], pairs[2], pairs[3], pairs[3], pairs[3]])
    for metric in metrics_of(Task.SEMANTIC_SEGMENTATION).values():
        absent = metric.name.split(".")[0][-1] in "23467"
        np.testing.assert_equal(metric.reduce(truth), np.nan if absent else 1.0)
        weighted = metric.reduce(found, np.array([2.0, 0.0, 1.0, 3.0]))
        np.testing.assert_allclose(weighted, metric.reduce(repeated), rtol=1e-12)


SOME = np.array([[0, 1], [7, 0]])


@pytest.mark.parametrize(
    ("prediction", "truth", "text"),
    [
        (SOME, SOME[:1], "differ in shape"),
        (SOME * 1.0, SOME, "prediction is float64; classes are whole numbers"),
        (SOME, np.where(SOME, np.nan, 0), "truth is float64"),
        (SOME, SOME + 1, "truth has classes 1 to 8; 0 to 7 are expected"),
        (SOME, SOME - 1, "truth has classes -1 to 6"),
    ],
)
def test_what_is_no_class_map_is_named(prediction: np.ndarray, truth: np.ndarray, text: str):
    with pytest.raises(ValueError, match=text):
        measure(prediction, truth, task=Task.SEMANTIC_SEGMENTATION)
