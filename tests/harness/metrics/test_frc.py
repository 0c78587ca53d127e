"""Fourier ring correlation: known resolutions, a loop over the definition, and what it does not see."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift
from scipy.signal.windows import tukey

from zooscope.metrics.frc import fourier_ring_correlation, resolution_px

Images = list[tuple[np.ndarray, np.ndarray]]
Score = Callable[[str, Images], float]


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, shape)


def band(image: np.ndarray, *, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """What of the image lies between two frequencies in periods a pixel."""
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(length) for length in image.shape), indexing="ij"))
    return np.fft.ifft2(np.fft.fft2(image) * ((radius >= low) & (radius < high))).real


@pytest.mark.parametrize("shape", [(256, 256), (255, 301), (400, 200)])
@pytest.mark.parametrize("period", [3.0, 5.0, 8.0])
def test_what_is_right_down_to_a_known_period_has_that_resolution(shape: tuple[int, int], period: float, score: Score):
    truth = noise(1, *shape)
    prediction = band(truth, high=1 / period) + band(noise(2, *shape), low=1 / period)
    found = score("frc-resolution.one-seventh", [(prediction, truth)])
    ring = 1 / min(shape)
    # a step that is averaged over 7 rings falls to 1/7 after 2.5 of them
    assert -1 * ring < 1 / found - 1 / period < 4 * ring


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_the_curve_of_white_noise_upon_a_white_truth_is_its_expectation(sigma: float):
    truth = noise(3, 300, 300)
    _, correlation = fourier_ring_correlation(truth + sigma * noise(4, 300, 300), truth)
    assert np.abs(correlation[20:] - 1 / np.sqrt(1 + sigma**2)).mean() < 0.05
    assert correlation[20:].mean() == pytest.approx(1 / np.sqrt(1 + sigma**2), abs=0.01)


def test_the_curve_is_that_of_a_loop_over_all_frequencies(restored: Images):
    prediction, truth = (image[100:120, 90:113].astype(float) for image in restored[0])
    fading = tukey(20, 0.25)[:, None] * tukey(23, 0.25)
    spectra = []
    for image in (prediction, truth):
        y, x = np.mgrid[:20, :23]
        faded = (image - image.mean()) * fading
        spectra.append([[(faded * np.exp(-2j * np.pi * (v * y / 20 + u * x / 23))).sum() for u in range(-11, 12)]
                        for v in range(-10, 10)])  # fmt: skip
    sums = np.zeros((3, 11))
    for row, v in enumerate(range(-10, 10)):
        for column, u in enumerate(range(-11, 12)):
            ring = round(20 * np.hypot(v / 20, u / 23))
            if 1 <= ring <= 10:
                p, t = (spectrum[row][column] for spectrum in spectra)
                sums[:, ring] += (p * np.conj(t)).real, abs(p) ** 2, abs(t) ** 2
    frequency, correlation = fourier_ring_correlation(prediction, truth)
    np.testing.assert_allclose(frequency, np.arange(1, 11) / 20)
    np.testing.assert_allclose(correlation, sums[0, 1:] / np.sqrt(sums[1, 1:] * sums[2, 1:]), atol=1e-12)


def test_the_first_fall_below_the_threshold_counts_linear_between_rings():
    frequency = np.arange(1, 51) / 100
    falling = 1 - 2 * frequency
    assert resolution_px(frequency, falling, threshold=0.525) == pytest.approx(1 / 0.2375)
    assert resolution_px(frequency, np.full(50, 0.15)) == 2
    assert resolution_px(frequency, np.r_[0.1, np.ones(49)]) == pytest.approx(100)
    step = np.r_[np.ones(20), np.zeros(10), np.ones(20)]
    assert resolution_px(frequency, step, threshold=0.2) == pytest.approx(1 / 0.226)


def test_one_ring_below_the_threshold_is_noise_and_no_resolution():
    frequency = np.arange(1, 51) / 100
    assert resolution_px(frequency, np.r_[np.full(20, 0.3), 0.0, np.full(29, 0.3)]) == 2


def test_more_noise_means_a_coarser_resolution(restored: Images, score: Score):
    truths = [truth for _, truth in restored]
    found = [
        score("frc-resolution.one-seventh", [(t + sigma * noise(5, *t.shape), t) for t in truths])
        for sigma in (5, 25, 100)
    ]
    assert 2 <= found[0] < found[1] < found[2]


def test_no_blur_contrast_or_offset_is_seen_only_noise_and_shift(restored: Images):
    truth = restored[0][1].astype(float)
    _, blurred = fourier_ring_correlation(gaussian_filter(truth, 1), truth)
    _, scaled = fourier_ring_correlation(3 * truth - 70, truth)
    _, moved = fourier_ring_correlation(shift(truth, (1.5, 0), mode="nearest"), truth)
    assert blurred.min() > 0.9
    np.testing.assert_allclose(scaled, 1)
    assert moved.min() < 0


def test_borders_that_do_not_meet_are_no_detail(score: Score):
    """A slope has two different borders; without fading out they would correlate at all frequencies."""
    slope = 3 * np.linspace(-1, 1, 200)[:, None] * np.ones(200)
    prediction, truth = (slope + noise(seed, 200, 200) / 10 for seed in (6, 7))
    assert score("frc-resolution.one-seventh", [(prediction, truth)]) > 8
