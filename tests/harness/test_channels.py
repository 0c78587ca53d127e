"""The two rules by which an image's channels reach a model's."""

import numpy as np
import pytest
from skimage.color import rgb2gray

from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.errors import PackageError
from zooscope.sample import Sample


@pytest.fixture(scope="module")
def gray(demo: Dataset) -> Sample:
    return next(sample for sample in demo if sample.axes == "yx")


@pytest.fixture(scope="module")
def colour(demo: Dataset) -> Sample:
    return next(sample for sample in demo if sample.axes == "yxc")


def test_colour_reaches_one_channel_as_scikit_images_luminance(colour: Sample):
    found = to_channels(colour.image, 1)
    assert found.shape == (1, *colour.target.shape)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], 255 * rgb2gray(colour.image.values), rtol=1e-5)


def test_luminance_keeps_the_range_of_16_bit(colour: Sample):
    deep = colour.image.astype(np.uint16) * 257
    np.testing.assert_allclose(to_channels(deep, 1), 257 * to_channels(colour.image, 1), rtol=1e-5)


def test_gray_reaches_one_channel_as_it_is(gray: Sample):
    found = to_channels(gray.image, 1)
    assert found.dtype == gray.image.dtype
    np.testing.assert_array_equal(found[0], gray.image.values)


def test_gray_reaches_three_channels_repeated(gray: Sample):
    found = to_channels(gray.image, 3)
    assert found.shape == (3, *gray.target.shape)
    for channel in found:
        np.testing.assert_array_equal(channel, gray.image.values)


def test_colour_reaches_three_channels_in_its_order(colour: Sample):
    found = to_channels(colour.image, 3)
    for channel in range(3):
        np.testing.assert_array_equal(found[channel], colour.image.values[..., channel])


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_other_numbers_are_the_packages_reason(gray: Sample, channels: int):
    with pytest.raises(PackageError, match=f"takes {channels} channels; the images are gray or RGB"):
        to_channels(gray.image, channels)
