import imagecodecs
import numpy as np
import xarray as xr

from zooscope.data import Dataset
from zooscope.report.pictures import MAX_EDGE_PX, as_rgb, webp


def test_a_picture_looks_like_its_image(demo: Dataset) -> None:
    for sample in demo:
        pixels = as_rgb(sample.image)
        shown = imagecodecs.webp_decode(webp(pixels))
        assert shown.shape == pixels.shape
        assert np.abs(shown.astype(int) - pixels).mean() < 6


def test_a_large_image_becomes_a_smaller_picture() -> None:
    image = xr.DataArray(np.tile(np.arange(3000, dtype=np.uint16), (2000, 1)), dims=("y", "x"))
    shown = imagecodecs.webp_decode(webp(as_rgb(image)))
    assert max(shown.shape) <= MAX_EDGE_PX
    assert shown.shape == (667, 1000, 3)
    assert shown[300, 100, 0] < shown[300, 900, 0]


def test_an_image_of_one_value_is_black() -> None:
    assert as_rgb(xr.DataArray(np.full((8, 8), 7, np.uint8), dims=("y", "x"))).max() == 0
