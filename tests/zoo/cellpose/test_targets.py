"""Cellpose's targets, on real labels."""

import numpy as np
import pytest

from zooscope import plugins
from zooscope.data import Dataset
from zooscope.decode.cellpose_flows import decode
from zooscope_zoo.cellpose.method import CellposeConfig

METHOD = plugins.load("methods", "cellpose")
NO_PLANES = np.zeros((0, 0, 0), np.float32)


def targets_of(labels: np.ndarray) -> np.ndarray:
    return METHOD.targets(labels, NO_PLANES, CellposeConfig())


def overlaps(found: np.ndarray, true: np.ndarray, *, at_least_px: int) -> list[float]:
    """Of each true object of that size, its intersection over union with the one that covers it most."""
    ious: list[float] = []
    for label in np.unique(true[true > 0]):
        own = true == label
        if own.sum() >= at_least_px:
            other = found == np.bincount(found[own]).argmax()
            ious.append(float((own & other).sum() / (own | other).sum()) if found[own].any() else 0.0)
    return ious


def test_decoded_targets_are_the_objects_again(demo: Dataset) -> None:
    ious: list[float] = []
    for sample in demo:
        targets = targets_of(sample.target)
        assert (targets.dtype, targets.shape) == (np.float32, (3, *sample.target.shape))
        maps = np.concatenate([5 * targets[:2], 8 * targets[2:] - 4])
        ious += overlaps(decode(maps, sample.target.shape)[0], sample.target, at_least_px=15)
    assert len(ious) > 300
    assert np.mean(ious) >= 0.97


def test_targets_turn_with_the_patch(demo: Dataset) -> None:
    labels = next(sample for sample in demo if sample.axes == "yx").target
    before, turned = targets_of(labels), targets_of(np.ascontiguousarray(np.rot90(labels)))
    # by rot90, what led down leads right, and what led right leads up
    expected = np.stack([-np.rot90(before[1]), np.rot90(before[0])])
    inside = np.rot90(labels) > 0
    alike = (expected * turned[:2]).sum(0)[inside]
    assert np.mean(alike > 0.95) > 0.95, "all but what stands next to a centre that lies between two pixels"


def test_an_object_that_the_border_cuts_flows_to_the_middle_of_what_is_left() -> None:
    disc = (np.hypot(*np.mgrid[-20:21, -20:21]) < 16).astype(np.int32)
    along_y = targets_of(disc[:14])[0]
    rows = np.flatnonzero(disc[:14, 20])
    middle = rows.mean()
    assert (along_y[rows[0] : int(middle) - 1, 20] > 0.9).all()
    assert (along_y[int(middle) + 3 : rows[-1] + 1, 20] < -0.9).all()


def test_no_object_warms_its_neighbour(demo: Dataset) -> None:
    labels = max((sample.target for sample in demo), key=lambda target: int(target.max()))
    together = targets_of(labels)
    for label in np.unique(labels[labels > 0])[::7]:
        alone = targets_of(np.where(labels == label, labels, 0))
        np.testing.assert_allclose(together[:, labels == label], alone[:, labels == label], atol=1e-6)


@pytest.mark.parametrize("value", [0, 3])
def test_a_patch_of_nothing_and_one_filled_by_a_single_object_have_targets(value: int) -> None:
    targets = targets_of(np.full((32, 48), value, np.int32))
    assert np.isfinite(targets).all()
    assert (targets[2] == (value > 0)).all()
