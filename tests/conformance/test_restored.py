"""What every package must do that restores images: less noise, the same in tiles, no trouble with odd images."""

from pathlib import Path

import numpy as np
import pytest

import zooscope
from zooscope.check import parity_limit
from zooscope.data import Dataset, load_dataset
from zooscope.metrics import measure
from zooscope.model import Model
from zooscope.package_weights import RUNS_HERE
from zooscope.predict import tiling
from zooscope.sample import Task

pytestmark = pytest.mark.task("restoration")


@pytest.fixture(scope="session")
def noisy() -> Dataset:
    """The images that it was not trained on."""
    return load_dataset("demo-noisy", split="test")


@pytest.fixture(scope="session")
def model(package: Path) -> Model:
    """The package, loaded."""
    return zooscope.load_model(package, device="cpu")


@pytest.mark.parametrize("weights", RUNS_HERE)
def test_either_format_leaves_less_than_half_of_the_noises_power(package: Path, noisy: Dataset, weights: str):
    model = zooscope.load_model(package, weights=weights, device="cpu")
    for sample in noisy:
        found = model.predict(sample.image.values)
        assert (found.dtype, found.shape) == (np.float32, sample.target.shape)
        before, after = (
            measure(image, sample.target, task=Task.RESTORATION)["psnr.range-gt"]
            for image in (sample.image.values, found)
        )
        assert after > before + 3


def test_tiles_give_what_the_whole_image_gives(model: Model, noisy: Dataset):
    image = max((sample.image.values for sample in noisy), key=lambda image: image.size)
    whole = model.predict(image)
    assert model.package.output.halo_px
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiling, "MAX_TILE_PX", 2 * max(model.package.output.halo_px) + 32)
        tiled = model.predict(image)
    np.testing.assert_allclose(tiled, whole, atol=1e-4 * np.ptp(image), rtol=0)


def test_a_constant_image_stays_what_it_is_but_for_a_little(model: Model, noisy: Dataset):
    found = model.predict(np.full((70, 90), 50, np.float32))
    assert np.isfinite(found).all()
    assert np.abs(found - 50).max() < 50


def test_a_hot_pixel_spoils_no_more_than_what_the_network_sees_around_it(model: Model, noisy: Dataset):
    image = next(iter(noisy)).image.values
    spoilt = image.copy()
    spoilt[60, 60] = 1e4
    difference = np.abs(model.predict(spoilt) - model.predict(image))
    assert np.isfinite(difference).all()
    reach = max(model.package.output.halo_px or (0, 0))
    far = np.ones(image.shape, bool)
    far[60 - reach : 61 + reach, 60 - reach : 61 + reach] = False
    assert difference[far].max() <= parity_limit(image)


def test_integers_of_a_camera_give_what_the_same_numbers_as_floats_do(model: Model, noisy: Dataset):
    image = np.clip(np.rint(next(iter(noisy)).image.values * 16), 0, 4095)
    np.testing.assert_array_equal(model.predict(image.astype(np.uint16)), model.predict(image.astype(np.float32)))
