"""Classes of the objects that were found, beside the true ones, on real labels."""

import numpy as np

from zooscope.data import Dataset
from zooscope.metrics.matched_classes import matched_classes


def test_each_object_that_was_found_is_paired_with_its_own_true_class(demo: Dataset):
    truth = next(iter(demo.only("test"))).target.copy()
    labels = [int(label) for label in np.unique(truth) if label][:6]
    truth[~np.isin(truth, labels)] = 0
    missed, unknown = labels[0], labels[1]
    classes = {label: f"kind {label % 2}" for label in labels if label != unknown}
    prediction = np.zeros_like(truth)
    given: list[str] = []
    for label in reversed(labels):  # numbered the other way round
        if label != missed:
            given.append(f"found {label}")
            prediction[truth == label] = len(given)
    prediction[:2, :2] = len(given) + 1  # nothing is there
    pairs = set(matched_classes(prediction, [*given, "false"], truth, classes))
    assert pairs == {(f"kind {label % 2}", f"found {label}") for label in labels[2:]}


def test_half_an_object_is_not_found(demo: Dataset):
    truth = next(iter(demo.only("test"))).target
    label = int(np.bincount(truth.ravel())[1:].argmax()) + 1
    alone = np.where(truth == label, 1, 0)
    places = np.flatnonzero(alone)
    half = alone.copy()
    half.ravel()[places[len(places) // 2 :]] = 0
    assert list(matched_classes(half, ["a"], alone, {1: "a"})) == []
    assert list(matched_classes(alone, ["a"], alone, {1: "b"})) == [("b", "a")]
