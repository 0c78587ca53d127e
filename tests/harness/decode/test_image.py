"""The decoder of restored images: the maps that are the image, and nothing else."""

import numpy as np
import pytest

from zooscope.decode.image import decode


def test_one_map_is_a_gray_image_and_what_lies_beside_it_is_left():
    maps = np.random.default_rng(0).random((2, 5, 7)).astype(np.float32)
    found, objects = decode(maps, (5, 7))
    np.testing.assert_array_equal(found, maps[0])
    assert objects == {}


def test_three_maps_are_a_colour_image():
    maps = np.random.default_rng(0).random((6, 5, 7)).astype(np.float32)
    found, _ = decode(maps, (5, 7, 3))
    assert found.shape == (5, 7, 3)
    np.testing.assert_array_equal(found[..., 2], maps[2])


@pytest.mark.parametrize(("maps", "shape"), [((1, 5, 6), (5, 7)), ((1, 5, 7), (5, 7, 3)), ((1, 10, 14), (5, 7))])
def test_maps_that_are_no_such_image_are_refused(maps: tuple[int, ...], shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="are no image of shape"):
        decode(np.zeros(maps, np.float32), shape)
