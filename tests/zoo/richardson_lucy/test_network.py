"""The classical algorithm is scikit-image's; borders, regularisation and the point of view of light behave."""

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from skimage.restoration import richardson_lucy

from zooscope.data import load_dataset
from zooscope.metrics import measure
from zooscope.sample import Task
from zooscope_zoo.richardson_lucy.network import RichardsonLucyNetwork
from zooscope_zoo.richardson_lucy.psf import gaussian_psf


def classical(psf: np.ndarray, *, double: bool = False, **settings: object) -> RichardsonLucyNetwork:
    network = RichardsonLucyNetwork(psf_px=psf.shape[0], **settings)  # type: ignore[arg-type]
    network.psf.copy_(torch.from_numpy(psf))
    return network.double() if double else network


def run(network: RichardsonLucyNetwork, image: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(torch.from_numpy(np.array(image))[None, None])[0, 0].numpy()


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    """A real image, from 0 to about 100."""
    return next(iter(load_dataset("demo-noisy"))).target.astype(np.float32)


def skewed() -> np.ndarray:
    psf = gaussian_psf(sigma_px=1.5, size_px=9) + np.eye(9) / 20
    psf[:4, 5:] *= 3
    return psf / psf.sum()


@pytest.mark.parametrize("iterations", [1, 10, 30])
@pytest.mark.parametrize("psf", [gaussian_psf(sigma_px=2, size_px=17), skewed()], ids=["gaussian", "skewed"])
def test_it_is_scikit_images_algorithm(clean: np.ndarray, psf: np.ndarray, iterations: int):
    rng = np.random.default_rng(0)
    blurred = rng.poisson(np.clip(convolve(clean, psf, mode="mirror"), 0, None)).astype(np.float32) / 100
    expected = richardson_lucy(blurred.astype(np.float64), psf, num_iter=iterations, clip=False)
    found = run(classical(psf, iterations=iterations, border="nothing"), blurred)
    assert np.abs(found - expected).max() <= 1e-5 * max(1, expected.max())


def test_more_light_gives_more_of_the_same(clean: np.ndarray):
    network = classical(gaussian_psf(sigma_px=1, size_px=7), iterations=5)
    np.testing.assert_allclose(run(network, clean * 50), 50 * run(network, clean), rtol=1e-4, atol=1e-2)


def test_it_keeps_the_light_of_an_image_and_sharpens_what_was_blurred(clean: np.ndarray):
    psf = gaussian_psf(sigma_px=2, size_px=17)
    blurred = convolve(clean, psf.astype(np.float32), mode="mirror")
    found = run(classical(psf, iterations=20), blurred)
    assert found.sum() == pytest.approx(blurred.sum(), rel=0.01)
    before, after = (measure(i, clean, task=Task.RESTORATION)["psnr.range-gt"] for i in (blurred, found))
    assert after > before + 2


def test_a_mirrored_border_is_not_darker_than_the_image(clean: np.ndarray):
    flat = np.full((40, 50), 10, np.float32)
    psf = gaussian_psf(sigma_px=2, size_px=17)
    np.testing.assert_allclose(run(classical(psf, iterations=10), flat), flat, rtol=1e-4)
    assert run(classical(psf, iterations=10, border="nothing"), flat)[0, 0] != pytest.approx(10, rel=0.05)


def test_regularised_it_is_smoother_under_noise(clean: np.ndarray):
    psf = gaussian_psf(sigma_px=1.5, size_px=11)
    noisy = np.random.default_rng(0).poisson(np.clip(convolve(clean, psf, mode="mirror"), 0, None)).astype(np.float32)
    plain, smooth = (
        run(classical(psf, iterations=30, total_variation=weight), noisy / noisy.max()) for weight in (0.0, 0.02)
    )
    rough = [np.abs(np.diff(image, axis=0)).sum() for image in (plain, smooth)]
    assert rough[1] < 0.9 * rough[0]
