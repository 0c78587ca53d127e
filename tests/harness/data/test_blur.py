"""Blur by protocol: what an independent convolution gives, with a function that a method can be told."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d

from zooscope.data import Dataset
from zooscope.data.blur import GaussianBlur, blurred
from zooscope.data.scale import Scale, scaled


def gray(demo: Dataset) -> np.ndarray:
    return next(s.image.values for s in demo if s.axes == "yx")[:200, :180]


@pytest.mark.parametrize("sigma", [0.7, 2.0, 3.3])
def test_the_blur_is_scipys_gaussian_with_mirrored_borders(demo: Dataset, sigma: float):
    found = blurred(gray(demo), GaussianBlur(kind="gaussian", sigma_px=sigma))
    radius = int(np.ceil(4 * sigma))
    expected = gaussian_filter(gray(demo).astype(float), sigma, mode="reflect", radius=radius)
    np.testing.assert_allclose(found, expected, atol=1 / 512 + 1e-6)


def test_the_point_spread_function_that_is_told_is_the_one_that_blurred(demo: Dataset):
    blur = GaussianBlur(kind="gaussian", sigma_px=2.0)
    psf = blur.psf()
    assert psf.shape == (17, 17)
    assert psf.sum() == 1
    expected = convolve2d(gray(demo).astype(float), psf, mode="same", boundary="symm")
    np.testing.assert_allclose(blurred(gray(demo), blur), expected, atol=1 / 512 + 1e-6)


def test_an_image_is_scaled_by_its_bright_pixels_and_keeps_its_black(demo: Dataset):
    image = gray(demo)
    found = scaled(image, Scale(percentile=99.9, white=100))
    assert found.dtype == np.float32
    assert np.percentile(found, 99.9) == pytest.approx(100, abs=0.01)
    np.testing.assert_allclose(found, image * (found.max() / image.max()), atol=0.01)


def test_an_image_without_light_is_left_as_it_is():
    assert not scaled(np.zeros((9, 9), np.uint8), Scale(percentile=99.9, white=100)).any()
