"""Pixel metrics: equal to scikit-learn's on real foregrounds."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from zooscope.baselines.thresholds import otsu_watershed
from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.metrics import METRICS, measure


@pytest.mark.parametrize(
    ("name", "reference"), [("fg-iou", jaccard_score), ("dice", f1_score), ("pixel-accuracy", accuracy_score)]
)
def test_demo_scores_are_those_of_scikit_learn(name: str, reference: object, demo: Dataset):
    found, real = [], []
    for sample in demo:
        found.append(otsu_watershed(to_channels(sample.image, 1)[0].astype(np.float32)))
        real.append(sample.target)
    per_image = [measure(prediction, truth) for prediction, truth in zip(found, real, strict=True)]
    records = {column: np.array([record[column] for record in per_image]) for column in per_image[0]}
    theirs = [reference((t > 0).ravel(), (p > 0).ravel()) for p, t in zip(found, real, strict=True)]  # type: ignore[operator]
    np.testing.assert_allclose(METRICS[f"{name}.per-image@1"].reduce(records), np.mean(theirs))
    flat = [np.concatenate([labels.ravel() > 0 for labels in side]) for side in (real, found)]
    np.testing.assert_allclose(METRICS[f"{name}.pooled@1"].reduce(records), reference(*flat))  # type: ignore[operator]


def test_pixels_are_counted_by_foreground_whatever_the_object():
    truth = np.array([[1, 1, 2, 0], [0, 0, 0, 3]])
    prediction = np.array([[7, 0, 7, 7], [0, 0, 0, 7]])
    record = measure(prediction, truth)
    assert {name: record[name] for name in ("pixels", "fg_tp", "fg_fp", "fg_fn")} == {
        "pixels": 8,
        "fg_tp": 3,
        "fg_fp": 1,
        "fg_fn": 1,
    }
