"""boundary-watershed: what touches is cut where the boundary says, by hand and on real nuclei."""

import numpy as np
import pytest
from skimage.segmentation import find_boundaries

from zooscope.data import Dataset
from zooscope.decode.boundary_watershed import decode
from zooscope.decode.threshold_components import decode as components
from zooscope.metrics import measure


def discs() -> np.ndarray:
    """Labels of two discs that touch."""
    y, x = np.mgrid[:40, :60]
    labels = np.zeros((40, 60), np.int32)
    labels[(y - 20) ** 2 + (x - 18) ** 2 < 144] = 1
    labels[((y - 20) ** 2 + (x - 41) ** 2 < 144) & (labels == 0)] = 2
    assert (labels[20, 29], labels[20, 30]) == (1, 2), "they touch"
    return labels


def maps_of(labels: np.ndarray) -> np.ndarray:
    """What a perfect network would say."""
    return np.stack([labels > 0, find_boundaries(labels, mode="inner", connectivity=2)]).astype(np.float32)


def test_touching_discs_are_separated_and_wholly_found():
    truth = discs()
    labels, objects = decode(maps_of(truth), truth.shape)
    assert labels.max() == len(objects["score"]) == 2
    np.testing.assert_array_equal(labels > 0, truth > 0)
    assert measure(labels, truth)["tp95"] == 2
    assert components(maps_of(truth), truth.shape)[0].max() == 1, "which the foreground alone cannot tell"


def test_real_nuclei_are_found_again_from_perfect_maps(demo: Dataset):
    found = true = matched = 0
    for sample in demo:
        record = measure(decode(maps_of(sample.target), sample.target.shape)[0], sample.target)
        found, true, matched = found + record["predicted"], true + record["true"], matched + record["tp75"]
    assert matched > 0.9 * true
    assert found < 1.05 * true


def test_a_seed_is_foreground_without_boundary():
    maps = np.zeros((2, 7, 9), np.float32)
    maps[0, 1:6, 1:8] = 0.9
    maps[1, :, 4] = 0.5
    assert decode(maps, (7, 9), seed_threshold=0.3)[0].max() == 1  # 0.9 - 0.5 > 0.3 joins the halves
    labels, _ = decode(maps, (7, 9), seed_threshold=0.6)
    assert labels.max() == 2
    assert len({labels[3, 1], labels[3, 7]}) == 2
    assert (labels > 0).sum() == 5 * 7, "the boundary belongs to an object"


def test_foreground_that_no_seed_reaches_is_no_object():
    maps = np.zeros((2, 7, 9), np.float32)
    maps[0, 1:6, 1:4], maps[0, 1:6, 6:8] = 0.9, 0.55
    labels, objects = decode(maps, (7, 9), threshold=0.5, seed_threshold=0.6)
    assert (labels[3, 2], labels[3, 7]) == (1, 0)
    np.testing.assert_allclose(objects["score"], [0.9])


def test_objects_of_fewer_pixels_are_dropped_and_numbers_have_no_gaps():
    maps = np.zeros((2, 8, 20), np.float32)
    maps[0, 1:3, 1:3], maps[0, 1:7, 5:9], maps[0, 1:6, 12:17] = 0.8, 0.9, 1.0
    labels, objects = decode(maps, (8, 20), min_size_px=5)
    assert (labels[1, 1], labels[1, 5], labels[1, 12]) == (0, 1, 2)
    np.testing.assert_allclose(objects["score"], [0.9, 1.0])
    assert decode(maps, (8, 20), min_size_px=25)[0].max() == 1


@pytest.mark.parametrize("boundary", [0.0, 1.0])
def test_empty_maps_have_no_objects(boundary: float):
    maps = np.zeros((2, 9, 8), np.float32)
    maps[1] = boundary
    labels, objects = decode(maps, (9, 8))
    assert labels.shape == (9, 8)
    assert labels.dtype == np.int32
    assert labels.max() == len(objects["score"]) == 0


def test_maps_on_a_grid_are_scaled_to_the_image():
    truth = discs()
    labels, _ = decode(maps_of(truth), (80, 119))
    assert labels.shape == (80, 119)
    assert labels.max() == 2
