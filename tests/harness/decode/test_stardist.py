"""stardist: what StarDist's own library makes of the same maps, and the labels that the maps were made of."""

from typing import Any

import numpy as np
import pytest
from skimage.segmentation import relabel_sequential
from stardist.geometry import polygons_to_label, star_dist
from stardist.nms import non_maximum_suppression
from stardist.utils import edt_prob

from zooscope.data import Dataset
from zooscope.decode.stardist import collect, decode, finish
from zooscope.metrics import measure

RAYS = 32


@pytest.fixture(scope="module")
def truth(demo: Dataset) -> np.ndarray:
    """The labels of the demo image with most objects."""
    return max((sample.target for sample in demo if sample.axes == "yx"), key=lambda target: target.max())


def maps_of(labels: np.ndarray, grid: int) -> np.ndarray:
    """What a perfect StarDist network of that grid would say of them, by StarDist's own functions."""
    prob = edt_prob(labels.astype(np.uint16))[::grid, ::grid]
    distances = star_dist(labels.astype(np.uint16), RAYS, mode="cpp", grid=(grid, grid))
    return np.concatenate([prob[None], np.moveaxis(distances, -1, 0)]).astype(np.float32)


@pytest.mark.parametrize("grid", [1, 2])
def test_objects_are_those_of_stardists_own_functions(truth: np.ndarray, grid: int):
    maps = maps_of(truth, grid)
    labels, objects = decode(maps, truth.shape, prob_threshold=0.5, nms_threshold=0.4)
    points, scores, distances = non_maximum_suppression(
        np.moveaxis(maps[1:], 0, -1).copy(), maps[0], grid=(grid, grid), prob_thresh=0.5, nms_thresh=0.4
    )
    painted = polygons_to_label(distances, points, shape=truth.shape, prob=scores)
    np.testing.assert_array_equal(labels > 0, painted > 0)
    pairs = {
        (ours, theirs) for ours, theirs in zip(labels.ravel().tolist(), painted.ravel().tolist(), strict=True) if ours
    }
    assert len(pairs) == labels.max() == len(objects["score"])
    for ours, theirs in pairs:
        assert objects["score"][ours - 1] == pytest.approx(scores[theirs - 1])


@pytest.mark.parametrize("grid", [1, 2])
def test_labels_are_found_again_from_their_own_rays(truth: np.ndarray, grid: int):
    labels, objects = decode(maps_of(truth, grid), truth.shape)
    record = measure(labels, truth)
    assert record["tp75"] >= (0.93 if grid == 1 else 0.9) * record["true"]
    assert record["iou50"] / record["tp50"] > 0.85
    assert set(np.unique(labels)) == set(range(int(labels.max()) + 1))
    assert labels.dtype == np.int32
    assert objects["score"].shape == (labels.max(),)
    assert (objects["score"] > 0.5).all()


def test_a_grid_of_two_fits_an_image_of_odd_size(truth: np.ndarray):
    odd = truth[:251, :255]
    labels, _ = decode(maps_of(odd, 2), odd.shape)
    assert labels.shape == odd.shape
    assert measure(labels, odd)["tp75"] >= 0.9 * measure(labels, odd)["true"]


def test_a_higher_threshold_keeps_fewer_objects(truth: np.ndarray):
    maps = maps_of(truth, 1)
    maps[0] *= np.linspace(0.3, 1, truth.shape[1], dtype=np.float32)
    few, many = decode(maps, truth.shape, prob_threshold=0.7)[0], decode(maps, truth.shape, prob_threshold=0.3)[0]
    assert 0 < few.max() < many.max()


def test_an_object_that_others_cover_is_no_object_and_scores_stay_with_their_own():
    maps = np.zeros((1 + RAYS, 60, 60), np.float32)
    for y, x, radius, prob in ((20, 20, 10, 0.9), (20, 22, 3, 0.8), (42, 42, 8, 0.6)):
        maps[0, y, x], maps[1:, y, x] = prob, radius
    labels, objects = decode(
        maps, (60, 60), nms_threshold=1.0
    )  # nothing is suppressed, but the small one is painted over
    assert labels.max() == 2
    assert labels[20, 22] == labels[20, 20] != labels[42, 42] > 0
    assert objects["score"][labels[20, 20] - 1] == pytest.approx(0.9)
    assert objects["score"][labels[42, 42] - 1] == pytest.approx(0.6)


def test_empty_maps_have_no_objects():
    labels, objects = decode(np.zeros((1 + RAYS, 20, 30), np.float32), (20, 30))
    assert labels.shape == (20, 30)
    assert labels.dtype == np.int32
    assert labels.max() == len(objects["score"]) == 0


@pytest.mark.parametrize("border", [2, 0, 9, ((0, 12), (3, 0))], ids=str)
@pytest.mark.parametrize("grid", [1, 2])
def test_labels_are_those_of_bioimageios_own_operation(truth: np.ndarray, grid: int, border: Any):
    from bioimageio.core.proc_ops import StardistPostprocessing2D
    from bioimageio.core.sample import Sample
    from bioimageio.core.tensor import Tensor
    from bioimageio.spec.model.v0_5 import TensorId

    maps, id = maps_of(truth, grid), TensorId("labels")
    tensor = Tensor.from_numpy(np.moveaxis(maps, 0, -1)[None], dims=("batch", "y", "x", "channel"))
    sample = Sample(members={id: tensor}, stat={}, id=None)
    StardistPostprocessing2D(id, id, grid=(grid, grid), prob_threshold=0.6, nms_threshold=0.3, b=border, n_rays=RAYS)(
        sample
    )
    theirs = relabel_sequential(sample.members[id].data.to_numpy()[0, ..., 0])[0]
    own = {} if border == 2 else {"border_px": border}
    ours, _ = decode(maps, truth.shape, prob_threshold=0.6, nms_threshold=0.3, **own)
    assert ours.max() > 20
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("grid", [1, 2])
def test_each_object_has_the_likeliest_class_of_its_middle(truth: np.ndarray, grid: int):
    left = np.arange(truth.shape[1])[::grid] < truth.shape[1] // 2
    of_left = np.broadcast_to(np.where(left, 0.7, 0.1), truth[::grid, ::grid].shape)
    maps = np.concatenate([maps_of(truth, grid), np.stack([0.9 - of_left, of_left, np.full_like(of_left, 0.1)])])
    maps = maps.astype(np.float32)
    names = ["right", "left", "never"]
    labels, objects = decode(maps, truth.shape, classes=names)
    plain, others = decode(maps[:-3], truth.shape)
    np.testing.assert_array_equal(labels, plain)
    np.testing.assert_array_equal(objects["score"], others["score"])
    assert set(others) == {"score"}
    assert len(objects["class"]) == labels.max()
    assert set(objects["class"].tolist()) == {"left", "right"}
    for label in range(1, labels.max() + 1):
        columns = np.nonzero(labels == label)[1]
        if columns.max() < truth.shape[1] // 2 - 2 or columns.min() > truth.shape[1] // 2 + 2:
            side = "left" if columns.max() < truth.shape[1] // 2 else "right"
            assert objects["class"][label - 1] == side
            assert objects["class_score"][label - 1] == pytest.approx(0.7 if side == "left" else 0.8)


def test_without_objects_there_are_no_classes(truth: np.ndarray):
    _, objects = decode(np.zeros((1 + RAYS + 2, 20, 30), np.float32), (20, 30), classes=["a", "b"])
    assert {name: len(column) for name, column in objects.items()} == {"score": 0, "class": 0, "class_score": 0}
    tile = collect(np.zeros((1 + RAYS + 2, 20, 30), np.float32), at=(0, 0), size=(20, 30), grid=(1, 1), classes="ab")
    count, found = finish([tile], (20, 30), np.zeros((20, 30), np.int32), classes=["a", "b"])
    assert (count, {name: len(column) for name, column in found.items()}) == (
        0,
        {"score": 0, "class": 0, "class_score": 0},
    )


def test_classes_of_tiles_are_those_of_the_whole(truth: np.ndarray):
    rng = np.random.default_rng(0)
    maps = np.concatenate([maps_of(truth, 1), rng.random((3, *truth.shape), np.float32)])
    maps[0] *= rng.uniform(0.9, 1, truth.shape)  # equal scores have no order
    names = ["a", "b", "c"]
    whole, objects = decode(maps, truth.shape, classes=names)
    half = truth.shape[0] // 2
    tiles = [
        collect(part, at=(top, 0), size=truth.shape, grid=(1, 1), classes=names)
        for top, part in ((0, maps[:, :half]), (half, maps[:, half:]))
    ]
    canvas = np.zeros(truth.shape, np.int32)
    count, found = finish(tiles, truth.shape, canvas, classes=names)
    np.testing.assert_array_equal(canvas, whole)
    assert count == whole.max() > 20
    for name, column in objects.items():
        np.testing.assert_array_equal(found[name], column)
