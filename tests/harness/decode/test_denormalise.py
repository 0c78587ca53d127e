"""The decoder of images scaled by their own percentiles: units back for intensities, a factor alone for deviations."""

import numpy as np
import pytest

from zooscope.decode.denormalise import collect, decode, finish, in_units


def some_maps(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


def test_a_gray_image_comes_back_between_its_low_and_high_values():
    maps = some_maps(1, 5, 7)
    found, objects = decode(maps, (5, 7), low=[100.0], high=[150.0])
    np.testing.assert_allclose(found, 100 + 50 * maps[0], rtol=1e-6)
    assert found.dtype == np.float32
    assert objects == {}


def test_each_channel_of_a_colour_image_has_its_own_values_and_deviations_keep_their_zero():
    maps, low, high = some_maps(6, 5, 7), [1.0, 2.0, 3.0], [11.0, 22.0, 33.0]
    found, _ = decode(maps, (5, 7, 3), low=low, high=high)
    np.testing.assert_allclose(found[..., 1], 2 + 20 * maps[1], rtol=1e-6)
    all_maps = in_units(maps, low=low, high=high)
    np.testing.assert_allclose(all_maps[2], 3 + 30 * maps[2], rtol=1e-6)
    np.testing.assert_allclose(all_maps[5], 30 * maps[5], rtol=1e-6)
    np.testing.assert_allclose(in_units(maps, low=low, high=high, intensities=6)[5], 3 + 30 * maps[5], rtol=1e-6)


def test_a_volume_is_brought_back_as_a_whole():
    maps = some_maps(2, 3, 5, 7)
    found, _ = decode(maps, (3, 5, 7), low=[100.0], high=[150.0])
    np.testing.assert_allclose(found, 100 + 50 * maps[0], rtol=1e-6)


def test_tile_by_tile_it_is_the_same():
    maps = some_maps(2, 6, 7)
    tiles = [
        collect(maps[:, y : y + 3], at=(y, 0), size=(6, 7), grid=(1, 1), low=[100.0], high=[150.0], intensities=1)
        for y in (0, 3)
    ]
    canvas = np.zeros((6, 7), np.float32)
    assert finish(tiles, (6, 7), canvas, intensities=1) == (0, {})
    np.testing.assert_array_equal(canvas, decode(maps, (6, 7), low=[100.0], high=[150.0])[0])


def test_without_the_images_values_nothing_is_given_out():
    with pytest.raises(ValueError, match="low and high values are needed"):
        decode(some_maps(1, 5, 7), (5, 7))


@pytest.mark.parametrize(("maps", "shape"), [((1, 5, 6), (5, 7)), ((1, 5, 7), (5, 7, 3))])
def test_maps_that_are_no_such_image_are_refused(maps: tuple[int, ...], shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="are no image of shape"):
        decode(np.zeros(maps, np.float32), shape, low=[0.0], high=[1.0])
