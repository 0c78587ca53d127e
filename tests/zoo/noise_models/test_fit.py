"""Noise models of real nuclei under camera noise whose gain and read noise are known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from zooscope.data import load_dataset
from zooscope.data.card import find_card
from zooscope.errors import DataError
from zooscope_zoo.noise_models.camera import camera_noise
from zooscope_zoo.noise_models.check import check_model, held_out, refuse_outside
from zooscope_zoo.noise_models.files import load, load_any, save
from zooscope_zoo.noise_models.fit import fit_mixture, known_mixture
from zooscope_zoo.noise_models.pixels import stack_pixels

Pixels = tuple[NDArray[np.float32], NDArray[np.float32]]


def pixels_of(split: str) -> Pixels:
    samples = list(load_dataset("demo-noisy", split=split))
    return tuple(
        np.concatenate([image.ravel() for image in images])
        for images in ([s.image.values for s in samples], [s.target for s in samples])
    )  # type: ignore[return-value]


@pytest.fixture(scope="module")
def fitted_to() -> Pixels:
    return pixels_of("test")


@pytest.fixture(scope="module")
def unseen() -> Pixels:
    return pixels_of("validation")


def test_gain_and_read_noise_of_the_card_lie_in_the_intervals(fitted_to: Pixels):
    noise = find_card("demo-noisy")[0].noise
    found = camera_noise(*fitted_to)
    low, high = found.gain_interval
    assert low <= noise.gain <= high  # type: ignore[union-attr]
    assert high - low < 0.1 * noise.gain  # type: ignore[union-attr]
    low, high = found.read_noise_interval
    assert low <= noise.sigma <= high  # type: ignore[union-attr]


def test_a_fitted_mixture_is_a_distribution_around_the_signal_with_the_cards_variance(fitted_to: Pixels):
    noise = find_card("demo-noisy")[0].noise
    model = fit_mixture(*fitted_to)
    assert check_model(model).passed
    signal = torch.tensor([5.0, 30.0, 60.0, 90.0])
    expected = noise.sigma**2 + noise.gain * signal  # type: ignore[union-attr]
    torch.testing.assert_close(model.variance(signal), expected, rtol=0.1, atol=0)


def test_unseen_pixels_are_nearly_as_likely_to_the_fit_as_to_the_exact_model(fitted_to: Pixels, unseen: Pixels):
    noise = find_card("demo-noisy")[0].noise
    assert noise is not None
    low, high = (float(end) for end in (fitted_to[1].min(), fitted_to[1].max()))
    exact = known_mixture(noise, low=low, high=high)
    fit, known = held_out(fit_mixture(*fitted_to), *unseen), held_out(exact, *unseen)
    assert abs(fit.log_likelihood - known.log_likelihood) < 0.02
    assert fit.pixels == unseen[0].size


def test_a_model_read_again_is_the_same_and_a_file_of_something_else_is_named(fitted_to: Pixels, tmp_path: Path):
    model = fit_mixture(*fitted_to, components=2)
    save(model, tmp_path / "camera.safetensors")
    again = load(tmp_path / "camera.safetensors")
    observed, signal = (torch.from_numpy(values[:1000]) for values in fitted_to)
    torch.testing.assert_close(again.log_likelihood(observed, signal), model.log_likelihood(observed, signal))
    (tmp_path / "other.safetensors").write_bytes(b"no tensors")
    with pytest.raises(DataError, match=r"other\.safetensors: cannot be read as safetensors"):
        load_any(tmp_path / "other.safetensors")


def test_the_model_of_normalised_values_is_the_same_model(fitted_to: Pixels):
    model = fit_mixture(*fitted_to)
    observed, signal = (torch.from_numpy(values[:1000]) for values in fitted_to)
    moved = model.rescaled(zero=20.0, unit=30.0).log_likelihood((observed - 20) / 30, (signal - 20) / 30)
    torch.testing.assert_close(moved, model.log_likelihood(observed, signal) + np.log(30), rtol=1e-4, atol=1e-4)


def test_signals_outside_the_range_are_an_error_that_names_both_ranges(fitted_to: Pixels):
    model = fit_mixture(*fitted_to)
    with pytest.raises(DataError, match=r"lie outside .* where the noise model is valid"):
        refuse_outside(model, fitted_to[1] + 1000)


def test_a_stack_of_one_scene_gives_the_noise_of_its_pixels(tmp_path: Path):
    import tifffile

    scene = next(iter(load_dataset("demo-noisy", split="test"))).target
    frames = scene + np.random.default_rng(0).normal(0, 7, (20, *scene.shape)).astype(np.float32)
    tifffile.imwrite(tmp_path / "stack.tif", frames.astype(np.float32))
    observed, signal = stack_pixels(tmp_path / "stack.tif")
    assert np.std(observed - signal) == pytest.approx(7, rel=0.01)
    tifffile.imwrite(tmp_path / "few.tif", frames[:3].astype(np.float32))
    with pytest.raises(DataError, match=r"few\.tif: shape .*; 10 frames"):
        stack_pixels(tmp_path / "few.tif")
