import numpy as np
import xarray as xr

from zooscope.data import Dataset
from zooscope.report.overlays import FALSE, HIT, MISSED, overlay


def colours(picture: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(int(c) for c in pixel) for pixel in picture.reshape(-1, 3)} & {HIT, MISSED, FALSE}


def test_outlines_say_what_was_hit_missed_and_invented() -> None:
    image = xr.DataArray(np.random.default_rng(0).normal(100, 10, (64, 64)), dims=("y", "x"))
    truth, prediction = np.zeros((64, 64), np.int32), np.zeros((64, 64), np.int32)
    truth[5:20, 5:20], truth[40:60, 40:60] = 3, 9
    prediction[5:20, 5:20], prediction[5:20, 40:60] = 1, 2
    picture = overlay(image, prediction, truth)
    assert colours(picture) == {HIT, MISSED, FALSE}
    assert colours(picture[:45, :45]) == {HIT}
    assert colours(picture[:45, 75:]) == {FALSE}
    assert colours(picture[75:]) == {MISSED}


def test_a_perfect_prediction_shows_hits_alone_on_gray_and_colour_images(demo: Dataset) -> None:
    for axes in ("yx", "yxc"):
        sample = next(sample for sample in demo if sample.axes == axes)
        assert colours(overlay(sample.image, sample.target, sample.target)) >= {HIT}
        assert not colours(overlay(sample.image, sample.target, sample.target)) & {MISSED, FALSE}
