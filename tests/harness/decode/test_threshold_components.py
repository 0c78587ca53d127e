"""threshold-components: parts of the foreground, by hand."""

import numpy as np
import pytest

from zooscope.decode.threshold_components import decode


def maps(rows: list[str]) -> np.ndarray:
    """A foreground map: digits are tenths."""
    return np.array([[int(digit) / 10 for digit in row] for row in rows], np.float32)[None]


ISLANDS = maps(["0000000", "0990080", "0990800", "0000000", "0600000"])


def test_parts_above_the_threshold_are_objects():
    labels, objects = decode(ISLANDS, (5, 7), threshold=0.5)
    np.testing.assert_array_equal(
        labels, [[0] * 7, [0, 1, 1, 0, 0, 2, 0], [0, 1, 1, 0, 2, 0, 0], [0] * 7, [0, 3] + [0] * 5]
    )
    np.testing.assert_allclose(objects["score"], [0.9, 0.8, 0.6])
    assert labels.dtype == np.int32
    assert objects["score"].dtype == np.float32


def test_the_threshold_itself_is_background():
    labels, _ = decode(ISLANDS, (5, 7), threshold=float(np.float32(0.8)))
    assert labels.max() == 1


@pytest.mark.parametrize(("min_size_px", "left"), [(0, 3), (1, 3), (2, 2), (3, 1), (4, 1), (5, 0)])
def test_objects_of_fewer_pixels_are_dropped_and_numbers_have_no_gaps(min_size_px: int, left: int):
    labels, objects = decode(ISLANDS, (5, 7), min_size_px=min_size_px)
    assert set(np.unique(labels)) == set(range(left + 1))
    assert len(objects["score"]) == left


def test_objects_keep_their_scores_when_others_before_them_are_dropped():
    labels, objects = decode(maps(["900", "000", "088"]), (3, 3), min_size_px=2)
    np.testing.assert_array_equal(labels, [[0, 0, 0], [0, 0, 0], [0, 1, 1]])
    np.testing.assert_allclose(objects["score"], [0.8])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_even_map_has_no_object_or_one(value: float):
    labels, objects = decode(np.full((1, 8, 9), value, np.float32), (8, 9))
    assert labels.shape == (8, 9)
    assert len(objects["score"]) == labels.max() == int(value)


def test_maps_on_a_grid_are_scaled_to_the_image():
    half = np.zeros((1, 20, 20), np.float32)
    half[0, 5:15, 5:15] = 1
    labels, _ = decode(half, (40, 39))
    assert labels.shape == (40, 39)
    assert labels.max() == 1
    assert (labels > 0).sum() == pytest.approx(20 * 20, rel=0.1)


def test_other_channels_are_not_looked_at():
    labels, _ = decode(np.concatenate([ISLANDS, np.ones_like(ISLANDS)]), (5, 7))
    np.testing.assert_array_equal(labels, decode(ISLANDS, (5, 7))[0])
