"""PSNR, NRMSE and CARE's set: equal to scikit-image, least squares and CSBDeep on real images under noise."""

from collections.abc import Callable

import numpy as np
import pytest
from csbdeep.utils import normalize, normalize_minmse
from skimage.metrics import normalized_root_mse, peak_signal_noise_ratio, structural_similarity
from skimage.util import img_as_ubyte

Images = list[tuple[np.ndarray, np.ndarray]]
Score = Callable[[str, Images], float]


def real(images: Images) -> Images:
    return [(prediction, truth.astype(np.float64)) for prediction, truth in images]


def reference(images: Images, of: str) -> float:
    """The mean over images, by scikit-image."""

    def one(prediction: np.ndarray, truth: np.ndarray) -> float:
        return {
            "range-255": lambda: peak_signal_noise_ratio(truth, prediction, data_range=255),
            "range-gt": lambda: peak_signal_noise_ratio(truth, prediction, data_range=np.ptp(truth)),
            "clamped": lambda: peak_signal_noise_ratio(truth, prediction.clip(0, 255), data_range=255),
            "min-max": lambda: normalized_root_mse(truth, prediction, normalization="min-max"),
            "euclidean": lambda: normalized_root_mse(truth, prediction, normalization="euclidean"),
        }[of]()

    return float(np.mean([one(*pair) for pair in real(images)]))


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("psnr.range-255", "range-255"),
        ("psnr.range-gt", "range-gt"),
        ("psnr.range-255-clamped", "clamped"),
        ("nrmse.range-gt", "min-max"),
        ("nrmse.euclidean", "euclidean"),
    ],
)
def test_demo_scores_are_those_of_scikit_image(name: str, of: str, restored: Images, score: Score):
    assert score(name, restored) == pytest.approx(reference(restored, of), rel=1e-12)


def test_uint8_psnr_is_that_of_the_image_saved_with_eight_bits(restored: Images, score: Score):
    theirs = [
        peak_signal_noise_ratio(truth, img_as_ubyte((prediction / 255).clip(0, 1)), data_range=255)
        for prediction, truth in restored
    ]
    assert score("psnr.range-255-uint8", restored) == pytest.approx(np.mean(theirs), rel=1e-12)


def test_halves_are_rounded_up_and_what_lies_outside_is_clamped(score: Score):
    truth = np.array([[0, 255, 11, 3.0]])
    assert score("psnr.range-255-uint8", [(np.array([[-70, 900, 10.5, 2.5]]), truth)]) == 100
    assert score("psnr.range-255-uint8", [(truth, truth - [[0, 0, 0.5, 0.3]])]) == 100
    assert score("psnr.range-255-uint8", [(np.array([[-70, 900, 10.4, 2.5]]), truth)]) == pytest.approx(
        10 * np.log10(255**2 * 4)
    )
    assert score("psnr.range-255-clamped", [(np.array([[-70, 900, 11, 3]]), truth)]) == 100
    assert score("psnr.range-255", [(np.array([[-70, 900, 11, 3]]), truth)]) < 0


def least_squares(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The best a * prediction + b by a general solver."""
    columns = np.stack([prediction.ravel(), np.ones(prediction.size)], axis=1)
    return (columns @ np.linalg.lstsq(columns, truth.ravel())[0]).reshape(truth.shape)


def test_scale_invariant_psnr_is_that_of_a_least_squares_fit(restored: Images, score: Score):
    for prediction, truth in real(restored):
        theirs = peak_signal_noise_ratio(truth, least_squares(prediction, truth), data_range=np.ptp(truth))
        assert score("psnr.range-gt-affine", [(prediction, truth)]) == pytest.approx(theirs, rel=1e-10)


def test_scale_invariant_psnr_has_its_closed_form(restored: Images, score: Score):
    for prediction, truth in real(restored):
        correlation = np.corrcoef(prediction.ravel(), truth.ravel())[0, 1]
        closed = 20 * np.log10(np.ptp(truth) / truth.std()) - 10 * np.log10(1 - correlation**2)
        assert score("psnr.range-gt-affine", [(prediction, truth)]) == pytest.approx(closed, rel=1e-10)


@pytest.mark.parametrize("name", ["psnr.range-gt-affine", "psnr.care", "nrmse.care", "ssim.care"])
def test_a_fitted_metric_forgives_any_scale_and_offset_even_a_negative_one(name: str, restored: Images, score: Score):
    some = restored[2:4]
    plain = score(name, some)
    for a, b in [(30.0, -400.0), (1e-4, 0.3), (-1.0, 255.0)]:
        assert score(name, [(a * prediction + b, truth) for prediction, truth in some]) == pytest.approx(plain)


def test_care_scores_are_those_of_csbdeep_and_scikit_image(restored: Images, score: Score):
    nrmse, psnr, ssim = [], [], []
    for prediction, truth in real(restored):
        scaled = normalize(truth, 0.1, 99.9, clip=False, dtype=np.float64)
        fitted = normalize_minmse(prediction, scaled)
        nrmse.append(np.sqrt(np.mean((scaled - fitted) ** 2)))
        psnr.append(peak_signal_noise_ratio(scaled, fitted, data_range=1))
        axis = -1 if truth.ndim == 3 else None
        ssim.append(structural_similarity(scaled, fitted, data_range=1, channel_axis=axis))
    assert score("nrmse.care", restored) == pytest.approx(np.mean(nrmse), rel=1e-9)
    assert score("psnr.care", restored) == pytest.approx(np.mean(psnr), rel=1e-9)
    assert score("ssim.care", restored) == pytest.approx(np.mean(ssim), rel=1e-9)


def test_range_fit_clamping_and_rounding_each_change_the_number(restored: Images, score: Score):
    some = restored[:4]
    names = ("range-255", "range-gt", "range-255-clamped", "range-255-uint8", "range-gt-affine", "care")
    found = [score(f"psnr.{name}", some) for name in names]
    assert min(np.diff(sorted(found))) > 1e-3
    assert max(found) - min(found) > 2


def test_nearly_identical_images_are_no_better_than_identical_ones(score: Score):
    truth = np.linspace(0, 255, 400).reshape(20, 20)
    for name in ("psnr.range-255", "psnr.range-gt", "psnr.range-gt-affine", "psnr.care"):
        assert score(name, [(truth + 1e-9 * truth[::-1], truth)]) == 100


def test_the_score_is_the_mean_of_the_images_not_that_of_the_pooled_error(restored: Images, score: Score):
    two = [restored[0], (restored[1][1] + 0.5, restored[1][1])]
    assert score("psnr.range-255", two) == pytest.approx(np.mean([score("psnr.range-255", [pair]) for pair in two]))
