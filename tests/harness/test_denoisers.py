"""Classical denoisers: better than the noisy image, and no trouble with images of nothing."""

import numpy as np
import pytest
from skimage.restoration import denoise_nl_means

from zooscope.baselines import BASELINES, Baseline
from zooscope.baselines.denoisers import noise_deviation, non_local_means
from zooscope.data import load_dataset
from zooscope.metrics import measure
from zooscope.sample import Task

DENOISERS = [baseline for baseline in BASELINES if baseline.task is Task.RESTORATION]
each = pytest.mark.parametrize("baseline", DENOISERS, ids=lambda baseline: baseline.name)


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return measure(image, truth, task=Task.RESTORATION)["psnr.range-gt"]


@each
def test_it_leaves_less_noise_than_there_was(baseline: Baseline):
    for sample in load_dataset("demo-noisy", split="test"):
        found = baseline.answer(sample.image.values[None], sample.target.shape)
        assert (found.dtype, found.shape) == (np.float32, sample.target.shape)
        gained = psnr(found, sample.target) - psnr(sample.image.values, sample.target)
        assert gained == 0 if baseline.name == "noisy" else gained > 1


@each
@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (40, 40)])
def test_an_image_of_one_value_stays_what_it_is(baseline: Baseline, shape: tuple[int, int]):
    image = np.full(shape, 7, np.float32)
    np.testing.assert_allclose(baseline.answer(image[None], shape), image, rtol=1e-5)


@each
def test_colour_is_restored_plane_by_plane(baseline: Baseline):
    planes = np.stack([sample.image.values[:64, :64] for sample in list(load_dataset("demo-noisy"))[:3]])
    found = baseline.answer(planes, (64, 64, 3))
    assert found.shape == (64, 64, 3)
    np.testing.assert_array_equal(found[..., 1], baseline.answer(planes[1:2], (64, 64)))


def test_the_noises_deviation_is_found_in_real_images():
    rng = np.random.default_rng(0)
    for sample in load_dataset("demo-noisy", split="test"):
        clean = sample.target.astype(np.float32)
        for sigma in (5.0, 25.0):
            noisy = clean + sigma * rng.standard_normal(clean.shape, dtype=np.float32)
            own = noise_deviation(clean)
            assert noise_deviation(noisy) == pytest.approx(np.hypot(sigma, own), rel=0.15)


def test_non_local_means_are_scikit_images():
    image = next(iter(load_dataset("demo-noisy"))).image.values
    sigma = noise_deviation(image)
    expected = denoise_nl_means(
        image, patch_size=7, patch_distance=7, h=0.5 * sigma, sigma=sigma, fast_mode=True, preserve_range=True
    )
    np.testing.assert_array_equal(non_local_means(image, strength=0.5, patch_px=7), expected.astype(np.float32))
