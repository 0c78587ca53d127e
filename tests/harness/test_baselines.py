"""Baselines: labels 1..n of real images, dark or bright nuclei, and no trouble with images of nothing."""

import inspect

import numpy as np
import pytest

from zooscope.baselines import BASELINES, Baseline, find_baseline
from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.errors import UsageError
from zooscope.metrics import measure
from zooscope.sample import Task

FINDERS = [baseline for baseline in BASELINES if baseline.task is Task.INSTANCE_SEGMENTATION]
each = pytest.mark.parametrize("baseline", FINDERS, ids=lambda baseline: baseline.name)


def gray(demo: Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(to_channels(s.image, 1)[0].astype(np.float32), s.target) for s in demo if s.axes == "yx"]


@each
def test_nuclei_of_real_fluorescence_are_found(baseline: Baseline, demo: Dataset):
    records = [measure(baseline.function(image), target) for image, target in gray(demo)]
    found, true = (sum(record[name] for record in records) for name in ("tp50", "true"))
    assert found > 0.6 * true


@each
def test_labels_are_int32_numbered_without_gaps(baseline: Baseline, demo: Dataset):
    for image, _ in gray(demo)[:4]:
        labels = baseline.function(image)
        assert labels.dtype == np.int32
        assert labels.shape == image.shape
        assert set(np.unique(labels)) == set(range(labels.max() + 1))


@each
def test_dark_nuclei_on_bright_ground_are_found_as_bright_ones_are(baseline: Baseline, demo: Dataset):
    image, target = gray(demo)[0]
    bright, dark = (measure(baseline.function(i), target)["tp50"] for i in (image, image.max() - image))
    assert dark >= 0.8 * bright > 0


@each
def test_touching_discs_are_cut(baseline: Baseline):
    y, x = np.mgrid[:160, :160]
    image = np.where((y - 80) ** 2 + (x - 65) ** 2 < 256, 200, 10) + np.where(
        (y - 80) ** 2 + (x - 94) ** 2 < 256, 200, 0
    )
    assert baseline.function(image.clip(0, 200).astype(np.float32)).max() == 2


@each
@pytest.mark.parametrize("shape", [(64, 64), (1, 1), (1, 50), (3, 400)])
@pytest.mark.parametrize("value", [0, 7, 65535])
def test_an_even_image_has_no_objects(baseline: Baseline, shape: tuple[int, int], value: int):
    labels = baseline.function(np.full(shape, value, np.float32))
    assert labels.shape == shape
    assert labels.max() == 0


@each
@pytest.mark.parametrize("shape", [(1, 2), (2, 90), (17, 3), (30, 30)])
def test_images_smaller_than_any_filter_are_no_trouble(baseline: Baseline, shape: tuple[int, int]):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    assert baseline.function(image).shape == shape


@each
def test_the_brightness_of_an_image_does_not_matter_and_it_is_left_alone(baseline: Baseline, demo: Dataset):
    image, _ = gray(demo)[0]
    kept = image.copy()
    labels = baseline.function(image)
    np.testing.assert_array_equal(image, kept)
    np.testing.assert_array_equal(baseline.function(image * 256), labels)


@each
def test_what_tuning_tries_are_parameters_with_defaults(baseline: Baseline):
    parameters = inspect.signature(baseline.function).parameters
    assert set(baseline.search) <= {name for name, item in parameters.items() if item.kind is item.KEYWORD_ONLY}
    assert find_baseline(baseline.id) is baseline


def test_otsu_watershed_has_nothing_to_tune():
    assert find_baseline("baseline:otsu-watershed@1").search == {}


@pytest.mark.parametrize("id", ["otsu-watershed", "baseline:otsu-watershed", "baseline:otsu-watershed@2"])
def test_a_baseline_that_does_not_exist_is_named_beside_those_that_do(id: str):
    with pytest.raises(
        UsageError, match=f"model '{id}' is not one of baseline:otsu-watershed@1, baseline:local-threshold@1"
    ):
        find_baseline(id)
