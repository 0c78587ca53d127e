"""SSIM and MS-SSIM: equal to scikit-image's on real images under noise, and on volumes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from skimage.metrics import structural_similarity
from skimage.transform import downscale_local_mean

from zooscope.metrics.ms_ssim import halve

Images = list[tuple[np.ndarray, np.ndarray]]
Score = Callable[[str, Images], float]

WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def skimage_ssim(prediction: np.ndarray, truth: np.ndarray, **options: Any) -> float:
    axis = -1 if truth.shape[-1] == 3 else None
    return structural_similarity(truth.astype(np.float64), prediction, channel_axis=axis, **options)


@pytest.mark.parametrize(("window", "options"), [("uniform-7", {}), ("gaussian-11", WANG)])
@pytest.mark.parametrize("span", ["range-255", "range-gt"])
def test_demo_scores_are_those_of_scikit_image(
    window: str, options: dict[str, Any], span: str, restored: Images, score: Score
):
    theirs = [
        skimage_ssim(p, t, data_range=255 if span == "range-255" else np.ptp(t.astype(float)), **options)
        for p, t in restored
    ]
    assert score(f"ssim.{window}-{span}", restored) == pytest.approx(np.mean(theirs), rel=1e-9)


def test_the_window_and_the_range_each_change_the_number(restored: Images, score: Score):
    names = [f"ssim.{window}-{span}" for window in ("uniform-7", "gaussian-11") for span in ("range-255", "range-gt")]
    found = [score(name, restored[:4]) for name in names]
    assert min(np.diff(sorted(found))) > 0.003


@pytest.mark.parametrize(("window", "options"), [("uniform-7", {}), ("gaussian-11", WANG)])
def test_the_window_is_a_cube_in_a_volume(window: str, options: dict[str, Any], restored: Images, score: Score):
    prediction, truth = (np.stack([images[side][:40, :48] for images in restored[:3] * 4]) for side in (0, 1))
    assert truth.shape == (12, 40, 48)
    theirs = skimage_ssim(prediction, truth, data_range=255, **options)
    assert score(f"ssim.{window}-range-255", [(prediction, truth)]) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(("window", "size"), [("uniform-7", 7), ("gaussian-11", 11)])
def test_an_image_of_the_windows_size_has_an_ssim_and_a_smaller_one_has_none(
    window: str, size: int, restored: Images, score: Score
):
    prediction, truth = (image[60 : 60 + size, 60:100] for image in restored[0])
    assert -1 < score(f"ssim.{window}-range-255", [(prediction, truth)]) < 1
    assert np.isnan(score(f"ssim.{window}-range-255", [(prediction[1:], truth[1:])]))


def skimage_ms_ssim(prediction: np.ndarray, truth: np.ndarray, span: float) -> float:
    """Of scikit-image's SSIM: with an endless K1 the luminance term is 1, and contrast and structure are left."""
    product = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        options = WANG if scale == 4 else {**WANG, "K1": 1e9}
        product *= structural_similarity(truth, prediction, data_range=span, **options) ** weight
        prediction, truth = (downscale_local_mean(image, (2, 2)) for image in (prediction, truth))
    return product


@pytest.mark.parametrize("span", ["range-255", "range-gt"])
def test_ms_ssim_is_the_weighted_product_of_scikit_images_terms(span: str, restored: Images, score: Score):
    theirs = []
    for p, t in ((p, t.astype(np.float64)) for p, t in restored):
        colours = [(p, t)] if t.ndim == 2 else [(p[..., c], t[..., c]) for c in range(3)]
        theirs.append(np.mean([skimage_ms_ssim(*each, 255 if span == "range-255" else np.ptp(t)) for each in colours]))
    assert score(f"ms-ssim.{span}", restored) == pytest.approx(np.mean(theirs), rel=1e-9)


def test_ms_ssim_needs_161_pixels(restored: Images, score: Score):
    prediction, truth = restored[0]
    assert 0 < score("ms-ssim.range-255", [(prediction[:161, :161], truth[:161, :161])]) < 1
    assert np.isnan(score("ms-ssim.range-255", [(prediction[:160], truth[:160])]))


def test_the_last_row_of_an_odd_number_is_its_own_neighbour():
    image = np.array([[1.0, 3, 10], [5, 7, 20], [2, 4, 8]])
    np.testing.assert_array_equal(halve(image), [[4, 15], [3, 8]])


def test_an_inverted_image_has_a_negative_ssim_and_an_ms_ssim_of_zero(restored: Images, score: Score):
    texture = np.random.default_rng(0).integers(0, 256, (170, 170)).astype(np.float64)
    inverted = [(255 - texture, texture)]
    assert score("ssim.gaussian-11-range-255", inverted) < -0.9
    assert score("ms-ssim.range-255", inverted) == 0
