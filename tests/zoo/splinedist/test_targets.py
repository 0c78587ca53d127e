"""SplineDist's targets and loss, on real labels."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from zooscope import plugins
from zooscope.data import Dataset
from zooscope.decode.splinedist import decode, spline_basis
from zooscope.metrics import measure
from zooscope_zoo.splinedist.method import SAMPLES, SplineDistConfig

METHOD = plugins.load("methods", "splinedist")
NO_PLANES = np.zeros((0, 0, 0), np.float32)


def targets_of(labels: NDArray[np.int32], config: SplineDistConfig) -> NDArray[np.float32]:
    return METHOD.targets(labels, NO_PLANES, config)


def contours_in(targets: NDArray[np.float32], config: SplineDistConfig) -> NDArray[np.float32]:
    samples, count = SAMPLES * config.control_points, int(targets[1].max())
    return targets[2:].ravel()[: count * 2 * samples].reshape(count, 2, samples)


def best_maps(targets: NDArray[np.float32], config: SplineDistConfig) -> NDArray[np.float32]:
    """What a perfect network would answer: the control points that fit the contours best, from each pixel."""
    basis = spline_basis(SAMPLES * config.control_points, config.control_points)
    fits = contours_in(targets, config) @ np.linalg.pinv(basis).T
    y, x = np.nonzero(targets[1])
    places = config.grid * np.stack([y, x], axis=1)[..., None]
    maps = np.zeros((1 + 2 * config.control_points, *targets.shape[1:]), np.float32)
    maps[0] = targets[0]
    maps[1:, y, x] = (fits[targets[1, y, x].astype(int) - 1] - places).reshape(len(y), -1).T
    return maps


@pytest.fixture(scope="module")
def labels(demo: Dataset) -> NDArray[np.int32]:
    """Of the demo image with most objects."""
    return max((sample.target for sample in demo if sample.axes == "yx"), key=lambda target: target.max())


@pytest.mark.parametrize(("grid", "iou"), [(1, 0.95), (2, 0.95), (4, 0.9)])
def test_splines_fitted_to_the_targets_are_the_objects_again(demo: Dataset, grid: int, iou: float) -> None:
    config, found, true = SplineDistConfig(grid=grid), 0.0, 0.0
    for sample in demo:
        targets = targets_of(sample.target, config)
        assert (targets.dtype, targets.shape[1:]) == (np.float32, tuple(-(-n // grid) for n in sample.target.shape))
        record = measure(decode(best_maps(targets, config), sample.target.shape)[0], sample.target)
        found, true = found + record["iou50"], true + record["true"]
    assert found / true > iou


def test_the_loss_is_the_distance_between_contours_and_no_other_maps_have_less(labels: NDArray[np.int32]) -> None:
    config = SplineDistConfig(control_points=16)
    targets = targets_of(labels, config)
    maps = torch.from_numpy(best_maps(targets, config))[None]

    def error(maps: torch.Tensor) -> float:
        return float(METHOD.loss(maps, torch.from_numpy(targets)[None], config)["contour"]) / 0.2

    assert error(maps) < 0.2
    moved = maps.clone()
    moved[:, 1 : 1 + config.control_points] += 3
    assert error(moved) == pytest.approx(1.5, abs=0.15), "3 px in one of two coordinates"
    later = maps.clone()
    later[:, 1:] = maps[:, 1:].unflatten(1, (2, -1)).roll(1, dims=2).flatten(1, 2)
    assert error(later) > 1, "the same curves from another start"


def test_the_parts_that_a_patch_leaves_of_an_object_have_contours_of_their_own(labels: NDArray[np.int32]) -> None:
    config, largest = SplineDistConfig(grid=1), np.bincount(labels.ravel())[1:].argmax() + 1
    cut = np.where(labels == largest, labels, 0)
    middle = int(np.nonzero(cut.any(0))[0].mean())
    cut[:, middle] = 0
    targets = targets_of(cut, config)
    for part in (np.s_[:, :middle], np.s_[:, middle + 1 :]):
        y, x = np.nonzero(cut[part])
        x += part[1].start or 0
        (number,) = np.unique(targets[1, y, x]).astype(int)
        contour = contours_in(targets, config)[number - 1]
        assert (contour.min(1) >= np.array([y.min(), x.min()]) - 0.5).all()
        assert (contour.max(1) <= np.array([y.max(), x.max()]) + 0.5).all()


def test_where_a_patch_holds_more_objects_than_the_table_the_others_teach_their_probability() -> None:
    config = SplineDistConfig(grid=1)
    labels = np.zeros((64, 64), np.int32)
    labels[::2, ::2] = np.arange(1, 1025).reshape(32, 32)
    targets = targets_of(labels, config)
    np.testing.assert_array_equal(targets[0] == 1, labels > 0)
    assert targets[1].max() == 64 * 64 / 16
    loss = METHOD.loss(torch.zeros(1, 17, 64, 64), torch.from_numpy(targets)[None], config)
    assert all(torch.isfinite(term) for term in loss.values())
