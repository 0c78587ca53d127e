"""The distance to the outline, and what the method makes of it."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from zooscope import plugins
from zooscope.data import Dataset
from zooscope.decode import find_decoder
from zooscope.metrics import measure
from zooscope_zoo.training.patches import cut
from zooscope_zoo.unet_watershed.distance import relative_distance

METHOD = plugins.load("methods", "unet-watershed")
CONFIG = METHOD.config()


@pytest.fixture(scope="module")
def labels(demo: Dataset) -> NDArray[np.int32]:
    """The demo's gray labels with the most objects, some of which touch."""
    return max((s for s in demo if s.axes == "yx"), key=lambda sample: int(sample.target.max())).target


def targets_of(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    return METHOD.targets(labels, METHOD.planes(labels, CONFIG), CONFIG)


def test_each_object_has_its_own_distance_and_its_middle_is_1(labels: NDArray[np.int32]) -> None:
    found = relative_distance(labels)
    assert not found[labels == 0].any()
    for label in np.unique(labels[labels > 0]):
        alone = ndimage.distance_transform_edt(np.pad(labels == label, 1, mode="edge"))[1:-1, 1:-1]
        inside = labels == label
        np.testing.assert_allclose(found[inside], (alone / alone[inside].max())[inside], rtol=1e-6)


def test_the_border_of_the_image_is_no_outline() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[5:15, :11] = 1
    rows = relative_distance(labels)[9]
    assert rows[0] == rows[5] == 1 > rows[10] > 0
    assert (relative_distance(np.ones((8, 8), np.int32)) == 1).all()


def test_a_patch_that_cuts_an_object_has_the_distance_of_the_whole(labels: NDArray[np.int32]) -> None:
    whole = targets_of(labels)
    window = (31, 57)
    planes = cut(METHOD.planes(labels, CONFIG), window, 64)
    patch = METHOD.targets(cut(labels[None], window, 64)[0], planes, CONFIG)
    np.testing.assert_array_equal(patch[[0, 2]], cut(whole, window, 64)[[0, 2]])


def test_the_right_answer_costs_nothing_more_than_its_rounding_and_decodes_to_the_objects(
    labels: NDArray[np.int32],
) -> None:
    targets = torch.from_numpy(targets_of(labels))[None]
    logits = torch.logit(targets, eps=1e-6)
    right = METHOD.loss(logits, targets, CONFIG)
    assert float(sum(right.values())) < 1e-3
    shifted = METHOD.loss(torch.roll(logits, 3, dims=3), targets, CONFIG)
    assert all(shifted[term] > right[term] + 0.01 for term in ("bce", "dice", "distance"))

    found, objects = find_decoder(METHOD.decoder(CONFIG)).decode(torch.sigmoid(logits)[0].numpy(), labels.shape)
    record = measure(found, labels)
    assert record["tp75"] > 0.95 * record["true"]
    assert len(objects["score"]) == found.max()
