"""Noise by protocol: of the stated size and correlation, the same for the same seed, unclipped."""

import hashlib

import numpy as np
import pytest

from zooscope.data.noise import Box, Gaussian, PoissonGaussian, add_noise

FLAT = np.full((400, 500), 100, np.uint8)


def test_gaussian_noise_has_its_deviation_and_leaves_the_range_of_bytes():
    noise = add_noise(np.zeros((400, 500), np.uint8), Gaussian(kind="gaussian", sigma=25), seed="a")
    assert noise.dtype == np.float32
    assert noise.std() == pytest.approx(25, rel=0.01)
    assert abs(noise.mean()) < 0.3
    assert noise.min() < -75


def test_poisson_noise_grows_with_the_signal():
    for level in (20, 100, 200):
        clean = np.full((400, 500), level, np.uint8)
        noisy = add_noise(clean, PoissonGaussian(kind="poisson-gaussian", gain=4.0, sigma=10), seed="a")
        assert noisy.mean() == pytest.approx(level, abs=0.3)
        assert noisy.var() == pytest.approx(4.0 * level + 100, rel=0.02)


def test_box_noise_is_correlated_along_rows_over_its_width_alone():
    noise = add_noise(FLAT, Box(kind="box-x", sigma=25, width_px=5), seed="a") - 100
    assert noise.std() == pytest.approx(25, rel=0.02)
    for lag, expected in ((1, 0.8), (4, 0.2), (5, 0.0)):
        assert np.mean(noise[:, lag:] * noise[:, :-lag]) / 625 == pytest.approx(expected, abs=0.02)
    assert np.mean(noise[1:] * noise[:-1]) / 625 == pytest.approx(0, abs=0.02)


def test_a_seed_says_the_noise():
    gaussian = Gaussian(kind="gaussian", sigma=25)
    one, same, other = (add_noise(FLAT, gaussian, seed=seed) for seed in ("a", "a", "b"))
    np.testing.assert_array_equal(one, same)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


@pytest.mark.parametrize(
    ("noise", "digest"),
    [
        (Gaussian(kind="gaussian", sigma=25), "bc5743859e659cb1"),
        (PoissonGaussian(kind="poisson-gaussian", gain=4.25, sigma=10), "1276ecb8036f53f1"),
        (Box(kind="box-x", sigma=25, width_px=5), "4772f1241e2ce222"),
    ],
)
def test_noise_is_the_same_on_every_machine(noise: Gaussian | PoissonGaussian | Box, digest: str):
    ramp = np.add.outer(np.arange(60), np.arange(90)).astype(np.uint8)
    assert hashlib.sha256(add_noise(ramp, noise, seed="ramp").tobytes()).hexdigest()[:16] == digest
