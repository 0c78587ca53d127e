"""Restoration as a whole: which values are defined, and what is refused."""

import math

import numpy as np
import pytest

from zooscope.metrics import METRICS, RECORDS, measure, metrics_of
from zooscope.sample import Task
from zooscope.stats import GroupBootstrap

Images = list[tuple[np.ndarray, np.ndarray]]

NAMES = sorted(metrics_of(Task.RESTORATION))


def record(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    return measure(prediction, truth, task=Task.RESTORATION)


@pytest.fixture(scope="module")
def demo_records(restored: Images) -> list[dict[str, float]]:
    return [record(*pair) for pair in restored]


@pytest.fixture(scope="module")
def itself(restored: Images) -> dict[str, float]:
    truth = restored[0][1]
    return record(truth, truth)


def test_a_record_has_one_column_a_metric_and_no_name_is_another_tasks(itself: dict[str, float]):
    assert {f"{column}@1" for column in itself} == set(NAMES)
    assert len(METRICS) == sum(len(metrics_of(task)) for task in RECORDS)
    for name in NAMES:
        assert METRICS[name].definition.endswith("mean of the images' values")


def test_all_is_defined_and_finite_on_the_demo_images(demo_records: list[dict[str, float]]):
    for found in demo_records:
        assert all(map(math.isfinite, found.values()))


@pytest.mark.parametrize("name", NAMES)
def test_identical_images_have_the_best_score_and_noise_a_worse_one(
    name: str, itself: dict[str, float], demo_records: list[dict[str, float]]
):
    column = name.removesuffix("@1")
    kind = name.split(".")[0]
    best = {"psnr": 100.0, "frc-resolution": 2.0, "nrmse": 0.0, "ssim": 1.0, "ms-ssim": 1.0}[kind]
    assert METRICS[name].higher_is_better == (kind in ("psnr", "ssim", "ms-ssim"))
    assert itself[column] == pytest.approx(best, abs=1e-9)
    worse = best - demo_records[0][column] if METRICS[name].higher_is_better else demo_records[0][column] - best
    assert worse > 0.01


def test_one_identical_image_does_not_make_a_mean_infinite_nor_its_interval_undefined(
    itself: dict[str, float], demo_records: list[dict[str, float]]
):
    records = [*demo_records, itself]
    columns = {column: np.array([each[column] for each in records]) for column in records[0]}
    bootstrap = GroupBootstrap([str(number) for number in range(len(records))], resamples=200)
    for name in NAMES:
        estimate = bootstrap.estimate(METRICS[name], columns)
        assert estimate.low is not None
        assert estimate.high is not None
        assert math.isfinite(estimate.score)
        assert estimate.low <= estimate.score <= estimate.high


def truths() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    texture = rng.integers(20, 200, (3, 170, 180)).astype(np.uint8)
    lonely = np.zeros((64, 64), np.uint8)
    lonely[30, 30] = 9
    return {
        "plain": texture[0],
        "constant": np.full((170, 180), 0.1),
        "zero": np.zeros((170, 180), np.uint8),
        "lonely": lonely,
        "16-bit": texture[0].astype(np.uint16) * 200,
        "below MS-SSIM": texture[0, :160, :],
        "below FRC": texture[0, :31, :40],
        "below Wang": texture[0, :10, :30],
        "below scikit-image": texture[0, :6, :30],
        "one pixel": texture[0, :1, :1],
        "colour": np.moveaxis(texture, 0, -1),
        "thin volume": texture[:, :, :],
        "volume": rng.integers(0, 255, (12, 32, 34)).astype(np.uint16),
    }


ALWAYS = {"nrmse.euclidean"}
IN_255 = {"psnr.range-255", "psnr.range-255-clamped", "psnr.range-255-uint8"}
IN_GT = {"psnr.range-gt", "psnr.range-gt-affine", "nrmse.range-gt"}
CARE = {"nrmse.care", "psnr.care"}
UNIFORM = {"ssim.uniform-7-range-gt", "ssim.uniform-7-range-255", "ssim.care"}
WANG = {"ssim.gaussian-11-range-gt", "ssim.gaussian-11-range-255"}
MULTISCALE = {"ms-ssim.range-gt", "ms-ssim.range-255"}
FRC = {"frc-resolution.one-seventh"}
POINTWISE = ALWAYS | IN_255 | IN_GT | CARE
ALL = POINTWISE | UNIFORM | WANG | MULTISCALE | FRC

DEFINED = {
    "plain": ALL,
    "constant": ALWAYS | {name for name in ALL if "range-255" in name},
    "zero": {name for name in ALL if "range-255" in name},
    "lonely": ALL - MULTISCALE - CARE - {"ssim.care"},
    "16-bit": {name for name in ALL if "range-255" not in name},
    "below MS-SSIM": ALL - MULTISCALE,
    "below FRC": ALL - MULTISCALE - FRC,
    "below Wang": POINTWISE | UNIFORM,
    "below scikit-image": POINTWISE,
    "one pixel": ALWAYS | IN_255,
    "colour": ALL,
    "thin volume": ALL - UNIFORM - WANG,
    "volume": POINTWISE | UNIFORM | WANG | FRC,
}


def test_every_kind_of_truth_has_its_expectation():
    assert set(DEFINED) == set(truths())
    assert {f"{name}@1" for name in ALL} == set(NAMES)


@pytest.mark.parametrize("kind", sorted(DEFINED))
def test_what_is_undefined_is_decided_by_the_truth_and_never_by_the_prediction(kind: str):
    truth = truths()[kind]
    if kind == "volume":
        truth = truth.clip(0, 255)
    rng = np.random.default_rng(1)
    predictions = {
        "the truth": truth,
        "constant": np.full(truth.shape, 0.1, np.float32),
        "zero": np.zeros(truth.shape, np.uint8),
        "noisy": truth + rng.normal(0, 5, truth.shape),
        "negative": -truth.astype(np.float64),
        "huge": np.full(truth.shape, 3e38, np.float32),
        "tiny": 1e-30 * rng.normal(0, 1, truth.shape),
    }
    for name, prediction in predictions.items():
        with np.errstate(divide="raise", invalid="raise"):
            found = record(prediction, truth)
        assert {column for column, value in found.items() if not math.isnan(value)} == DEFINED[kind], name
        assert not any(math.isinf(value) for value in found.values()), name


def test_a_constant_prediction_counts_and_counts_as_bad(restored: Images):
    for _, truth in restored:
        found = record(np.full(truth.shape, truth.mean()), truth)
        spread = 20 * np.log10((float(truth.max()) - truth.min()) / truth.std())
        assert found["psnr.range-gt-affine"] == pytest.approx(spread)
        assert found["frc-resolution.one-seventh"] == min(truth.shape[:2])
        assert found["ms-ssim.range-gt"] < 0.9
        assert found["nrmse.care"] == pytest.approx(truth.std() / np.subtract(*np.percentile(truth, (99.9, 0.1))))


def test_integers_are_subtracted_as_numbers_and_not_modulo_256(restored: Images):
    truth = restored[0][1]
    darker = (truth.astype(np.float64) - 9).clip(0).astype(np.uint8)
    assert truth.dtype == np.uint8
    assert record(darker, truth) == record(darker.astype(np.float64), truth.astype(np.float64))
    assert record(darker.astype(np.float16), truth) == record(darker, truth.astype(np.uint32))
    assert record(darker, truth)["psnr.range-255"] > 28


def test_colours_count_alike(restored: Images):
    gray_prediction, gray = restored[0]
    flat, stacked = record(gray_prediction, gray), record(*(np.dstack([x] * 3) for x in (gray_prediction, gray)))
    assert stacked == pytest.approx(flat, abs=1e-9)


def test_planes_of_a_volume_count_alike_where_no_window_reaches_across(restored: Images):
    prediction, truth = restored[0]
    flat, stacked = record(prediction, truth), record(*(np.stack([x] * 2) for x in (prediction, truth)))
    same = {name for name in stacked if "ssim" not in name or name.startswith("ms-ssim")}
    assert {name: stacked[name] for name in same} == pytest.approx({name: flat[name] for name in same}, abs=1e-9)
    assert all(math.isnan(stacked[name]) for name in set(stacked) - same)


@pytest.mark.parametrize("side", ["prediction", "truth"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
def test_numbers_that_no_image_holds_are_refused(side: str, value: float):
    images = {"prediction": np.ones((20, 20)), "truth": np.eye(20)}
    images[side][3, 4] = value
    with pytest.raises(ValueError, match=f"{side} holds NaN, infinity or values beyond float32"):
        record(**images)


@pytest.mark.parametrize("dtype", [bool, np.complex64, object, "U3"])
def test_other_dtypes_are_refused_by_name(dtype: object):
    image = np.eye(20)
    with pytest.raises(ValueError, match=r"^prediction is .*; pixels are integers or floats"):
        record(image.astype(dtype), image)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^truth is .*; pixels are integers or floats"):
        record(image, image.astype(dtype))  # type: ignore[arg-type]


def test_shapes_that_differ_are_refused_even_where_numpy_would_broadcast():
    for shape in [(1, 20), (20, 1), (1, 20, 20), (20, 20, 3), (20, 21)]:
        with pytest.raises(ValueError, match=r"prediction \(.*\) and truth \(20, 20\) differ in shape"):
            record(np.ones(shape), np.eye(20))


@pytest.mark.parametrize("shape", [(20,), (), (2, 20, 20, 3), (20, 20, 1), (20, 20, 2), (20, 20, 4)])
def test_shapes_that_are_no_image_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"are expected"):
        record(np.ones(shape), np.ones(shape))


@pytest.mark.parametrize("shape", [(0, 20), (20, 0, 3), (0, 20, 20)])
def test_images_without_pixels_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="have no pixels"):
        record(np.ones(shape), np.ones(shape))
