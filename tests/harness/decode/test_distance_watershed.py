"""distance-watershed: each object is flooded from its middle, by hand and on real nuclei."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import find_boundaries

from zooscope.data import Dataset
from zooscope.decode import blocks, distance_watershed
from zooscope.decode.blocks import decode_in_parts
from zooscope.decode.distance_watershed import decode
from zooscope.metrics import measure


def maps_of(labels: np.ndarray) -> np.ndarray:
    """What a perfect network would say."""
    distance = np.zeros(labels.shape, np.float32)
    for label in range(1, labels.max(initial=0) + 1):
        own = np.asarray(ndimage.distance_transform_edt(labels == label), np.float32)
        distance = np.maximum(distance, own / max(1, own.max()))
    return np.stack([labels > 0, find_boundaries(labels, mode="inner", connectivity=2), distance]).astype(np.float32)


def discs() -> np.ndarray:
    """Labels of two discs that touch."""
    y, x = np.mgrid[:40, :60]
    labels = np.zeros((40, 60), np.int32)
    labels[(y - 20) ** 2 + (x - 18) ** 2 < 144] = 1
    labels[((y - 20) ** 2 + (x - 41) ** 2 < 144) & (labels == 0)] = 2
    return labels


@pytest.mark.parametrize("lost", [1, 2, None])
def test_touching_discs_are_parted_by_distance_or_boundary_alone_and_wholly_found(lost: int | None):
    truth = discs()
    maps = maps_of(truth)
    if lost == 1:
        maps[1] = 0
    if lost == 2:
        maps[2] = 0.9 * maps[0]
    labels, objects = decode(maps, truth.shape)
    assert labels.max() == len(objects["score"]) == 2
    np.testing.assert_array_equal(labels > 0, truth > 0)
    assert measure(labels, truth)["tp90"] == 2


def test_a_gap_in_the_boundary_merges_nothing():
    truth = discs()
    maps = maps_of(truth)
    maps[1, 18:23] = 0
    assert measure(decode(maps, truth.shape)[0], truth)["tp90"] == 2


def test_real_nuclei_are_found_again_from_perfect_maps(demo: Dataset):
    found = true = matched = 0
    for sample in demo:
        record = measure(decode(maps_of(sample.target), sample.target.shape)[0], sample.target)
        found, true, matched = found + record["predicted"], true + record["true"], matched + record["tp75"]
    assert matched > 0.95 * true
    assert found < 1.05 * true


def test_foreground_that_no_seed_reaches_is_no_object_and_small_ones_are_dropped():
    maps = np.zeros((3, 7, 20), np.float32)
    maps[0, 1:6, 1:4] = maps[0, 1:6, 6:8] = 0.9
    maps[0, 1:3, 12:14] = 1.0
    maps[2, 3, 2], maps[2, 3, 6], maps[2, 1, 12] = 0.9, 0.2, 0.9
    labels, objects = decode(maps, (7, 20), seed_threshold=0.3)
    assert (labels[3, 2], labels[3, 6], labels[1, 12]) in {(1, 0, 2), (2, 0, 1)}
    np.testing.assert_allclose(sorted(objects["score"]), [0.9, 1.0])
    assert decode(maps, (7, 20), seed_threshold=0.3, min_size_px=5)[0].max() == 1


def test_empty_maps_have_no_objects():
    labels, objects = decode(np.zeros((3, 9, 8), np.float32), (9, 8))
    assert (labels.shape, labels.dtype, labels.max()) == ((9, 8), np.int32, 0)
    assert len(objects["score"]) == 0


def test_maps_on_a_grid_are_scaled_to_the_image():
    labels, _ = decode(maps_of(discs()), (80, 119))
    assert (labels.shape, labels.max()) == ((80, 119), 2)


def test_decoded_by_parts_the_objects_are_those_of_the_whole(demo: Dataset, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blocks, "BLOCK_PX", 64)
    truth = max((s for s in demo if s.axes == "yx"), key=lambda sample: int(sample.target.max())).target
    maps = np.stack([ndimage.gaussian_filter(plane, 1) for plane in maps_of(truth)])
    canvas = np.zeros(truth.shape, np.int32)
    count = decode_in_parts(distance_watershed, lambda y, x: maps[:, y, x], truth.shape, canvas, {})
    record = measure(canvas, decode(maps, truth.shape)[0])
    assert record["true"] == record["predicted"] == record["tp95"] == count > 20
