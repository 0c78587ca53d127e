"""Scores of whole objects against their definitions, written out on dense masks, on real images and made-up cases."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from zooscope.baselines.thresholds import local_threshold, otsu_watershed
from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.metrics import METRICS, measure
from zooscope.metrics.matching import THRESHOLDS

Pairs = Sequence[tuple[np.ndarray, np.ndarray]]
"""(prediction, truth)."""


@pytest.fixture(scope="module")
def pairs(demo: Dataset) -> Pairs:
    """Two baselines' answers to every demo image, the worse for a shift."""
    found = []
    for sample in demo:
        gray = to_channels(sample.image, 1)[0].astype(np.float32)
        found += [(otsu_watershed(gray), sample.target), (np.roll(local_threshold(gray), 2, 1), sample.target)]
    return found


def masks(labels: np.ndarray) -> np.ndarray:
    """(objects, pixels)."""
    return np.array([labels.ravel() == number for number in np.unique(labels[labels > 0])]).reshape(-1, labels.size)


def dense_iou(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(true objects, predicted objects)."""
    found, real = masks(prediction).astype(float), masks(truth).astype(float)
    shared = real @ found.T
    return shared / (real.sum(1)[:, None] + found.sum(1)[None] - shared)


def score(name: str, pairs: Pairs) -> float:
    found = [measure(prediction, truth) for prediction, truth in pairs]
    return METRICS[name].reduce({column: np.array([record[column] for record in found]) for column in found[0]})


def aji(prediction: np.ndarray, truth: np.ndarray, *, one_to_one: bool) -> float:
    found, real, iou = masks(prediction), masks(truth), dense_iou(prediction, truth)
    if one_to_one:
        partners = [(i, j) for i, j in zip(*linear_sum_assignment(-iou), strict=True) if iou[i, j] > 0]
    else:
        partners = [(i, int(iou[i].argmax())) for i in range(len(real)) if iou.shape[1] and iou[i].max() > 0]
    shared = sum((real[i] & found[j]).sum() for i, j in partners)
    union = sum((real[i] | found[j]).sum() for i, j in partners)
    union += sum(real[i].sum() for i in set(range(len(real))) - {i for i, _ in partners})
    union += sum(found[j].sum() for j in set(range(len(found))) - {j for _, j in partners})
    return shared / union


def seg(prediction: np.ndarray, truth: np.ndarray) -> float:
    found, real = masks(prediction), masks(truth)
    total = 0.0
    for one in real:
        for other in found:
            if 2 * (one & other).sum() > one.sum():
                total += (one & other).sum() / (one | other).sum()
    return total / len(real)


def caicedo_f1(prediction: np.ndarray, truth: np.ndarray) -> float:
    iou = dense_iou(prediction, truth)
    tp = [(iou > percent / 100).any(1).sum() for percent in THRESHOLDS]
    return float(np.mean([2 * count / (iou.shape[0] + iou.shape[1]) for count in tp]))


def dsb2018(iou: np.ndarray) -> float:
    return float(np.mean([_accuracy(iou > percent / 100) for percent in THRESHOLDS]))


def afnr(iou: np.ndarray) -> float:
    return 1 - float(np.mean([(iou >= percent / 100).any(1).mean() for percent in THRESHOLDS]))


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("aji", lambda p, t: aji(p, t, one_to_one=False)),
        ("aji-plus", lambda p, t: aji(p, t, one_to_one=True)),
        ("seg", seg),
        ("f1-caicedo", caicedo_f1),
        ("missed", lambda p, t: 1 - (dense_iou(p, t) > 0.7).any(1).mean()),
        ("split", lambda p, t: ((dense_iou(p, t) > 0.1).sum(1) > 1).mean()),
        ("merged", lambda p, t: ((dense_iou(p, t) > 0.1).sum(0) > 1).sum() / len(masks(t))),
        ("dsb2018", lambda p, t: dsb2018(dense_iou(p, t))),
        ("ap80-above", lambda p, t: _accuracy(dense_iou(p, t) > 0.8)),
        ("recall65", lambda p, t: (dense_iou(p, t) >= 0.65).any(1).mean()),
        ("precision65", lambda p, t: (dense_iou(p, t) >= 0.65).any(0).mean()),
        ("afnr", lambda p, t: afnr(dense_iou(p, t))),
    ],
)
def test_it_is_what_its_definition_gives_on_dense_masks(name: str, definition, pairs: Pairs):
    few = [pair for pair in pairs if pair[0].any()]
    expected = np.mean([definition(*pair) for pair in few])
    assert 0 < expected < 1, "the case tells something"
    np.testing.assert_allclose(score(f"{name}.per-image@1", few), expected, rtol=1e-12)


def _accuracy(hit: np.ndarray) -> float:
    tp = hit.any(1).sum()
    return tp / (hit.shape[0] + hit.shape[1] - tp)


def test_where_the_two_aji_differ_a_predicted_object_serves_two_true_ones():
    # Two true objects of 2 and 4 pixels, one predicted over both: it is the best of each, but can only be one's own.
    truth, prediction = np.array([[1, 1, 2, 2, 2, 2, 0, 0]]), np.array([[7, 7, 7, 7, 7, 7, 0, 0]])
    assert score("aji.per-image@1", [(prediction, truth)]) == (2 + 4) / (6 + 6)
    assert score("aji-plus.per-image@1", [(prediction, truth)]) == 4 / (6 + 2)


def test_a_best_partner_is_given_up_where_the_sum_gains():
    # True 1 fits predicted 1 best, but true 2 fits nothing else: together they gain by 1 taking its second best.
    truth = np.array([[1] * 10 + [2] * 4])
    prediction = np.array([[2] * 4 + [1] * 6 + [1] * 4])
    record = measure(prediction, truth)
    assert (record["aji_shared"], record["aji_plus_shared"]) == (6 + 4, 4 + 4)


def test_at_an_iou_of_exactly_the_threshold_both_conventions_are_told_apart():
    truth, prediction = np.zeros((2, 1, 20), np.int32)
    truth[0, :], prediction[0, :14] = 1, 1
    assert score("ap70.per-image@1", [(prediction, truth)]) == 1
    assert score("ap70-above.per-image@1", [(prediction, truth)]) == 0


def test_size_classes_count_an_object_by_its_own_area():
    truth, prediction = np.zeros((2, 200, 200), np.int32)
    truth[:10, :10], truth[20:45, 20:45], truth[60:130, 60:130] = 1, 2, 3  # small, medium, large
    prediction[:10, :10], prediction[60:130, 60:130], prediction[180:182, :5] = 1, 2, 3  # hit, hit, false and small
    record = measure(prediction, truth)
    counts = {
        name: tuple(record[f"{c}_{name}"] for c in ("true", "tp50", "fp50")) for name in ("small", "medium", "large")
    }
    assert counts == {"small": (1, 1, 1), "medium": (1, 0, 0), "large": (1, 1, 0)}
    assert score("ap50-small.per-image@1", [(prediction, truth)]) == 0.5
    assert score("recall50-medium.per-image@1", [(prediction, truth)]) == 0


def test_an_image_without_objects_of_a_class_is_left_out_of_its_mean():
    one, none = np.zeros((40, 40), np.int32), np.zeros((40, 40), np.int32)
    one[:5, :5] = 1
    assert score("recall50-small.per-image@1", [(one, one), (none, none)]) == 1
    assert np.isnan(score("recall50-large.per-image@1", [(one, one), (none, none)]))
    assert np.isnan(score("seg.per-image@1", [(none, none)]))


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((4, 4)), "prediction is float64; labels are whole numbers"),
        (np.full((4, 4), np.nan, np.float32), "prediction is float32"),
        (np.full((4, 4), -1), "prediction has negative labels, down to -1"),
    ],
)
def test_what_is_no_label_image_is_refused_and_never_scored(array: np.ndarray, text: str):
    with pytest.raises(ValueError, match=text):
        measure(array, np.zeros((4, 4), np.int32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.uint64, bool])
def test_the_type_of_the_numbers_does_not_matter(dtype: type):
    truth = np.zeros((9, 9), np.int32)
    truth[2:5, 3:8] = 1
    assert measure(truth.astype(dtype), truth) == measure(truth, truth)


def test_arrays_in_another_order_and_volumes_are_the_same_objects(pairs: Pairs):
    prediction, truth = pairs[0]
    expected = measure(prediction, truth)
    assert measure(np.asfortranarray(prediction), truth) == expected
    assert measure(prediction[None], truth[None]) == expected
