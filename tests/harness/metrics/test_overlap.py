"""The sparse overlap: equal to the dense table that one would write down."""

import numpy as np
import pytest

from zooscope.data import Dataset
from zooscope.metrics.overlap import Overlap


def dense(prediction: np.ndarray, truth: np.ndarray) -> dict[tuple[int, int], int]:
    """Shared pixels of each pair of labels that meet, counted pixel by pixel."""
    table: dict[tuple[int, int], int] = {}
    for t, p in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        if t and p:
            table[t, p] = table.get((t, p), 0) + 1
    return table


def check(prediction: np.ndarray, truth: np.ndarray) -> None:
    overlap = Overlap.of(prediction, truth)
    truth_ids, truth_area = np.unique(truth[truth > 0], return_counts=True)
    predicted_ids, predicted_area = np.unique(prediction[prediction > 0], return_counts=True)
    np.testing.assert_array_equal(overlap.truth_area, truth_area)
    np.testing.assert_array_equal(overlap.predicted_area, predicted_area)
    pairs = zip(truth_ids[overlap.truth].tolist(), predicted_ids[overlap.predicted].tolist(), strict=True)
    assert dict(zip(pairs, overlap.shared.tolist(), strict=True)) == dense(prediction, truth)


def test_pairs_and_areas_are_those_of_a_count_pixel_by_pixel(demo: Dataset):
    truth = demo[demo.ids[0]].target
    check(np.roll(truth, (3, -2), (0, 1)), truth)


@pytest.mark.parametrize("factor", [1, 7, 70_001, 20_000_003])
def test_labels_may_have_gaps_and_any_size(factor: int):
    rng = np.random.default_rng(1)
    truth, prediction = rng.integers(0, 9, (2, 30, 40))
    check((prediction * factor).astype(np.int32), (truth * factor).astype(np.int32))


def test_labels_without_any_background_are_counted_too():
    truth = np.arange(1, 13, dtype=np.int32).reshape(3, 4)
    check(truth[::-1] * 50_000_000, truth)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_any_integer_dtype_counts_alike(dtype: type):
    truth = np.array([[1, 1, 0], [0, 2, 2]], dtype)
    check(truth, truth)


def test_iou_is_intersection_over_union():
    truth, prediction = np.zeros((2, 4, 10), np.int32)
    truth[:2, :6] = 1
    prediction[1:3, :8] = 1
    np.testing.assert_array_equal(Overlap.of(prediction, truth).iou, [6 / 22])


def test_nothing_meets_nothing():
    zeros = np.zeros((5, 5), np.int32)
    overlap = Overlap.of(zeros, zeros)
    assert len(overlap.truth_area) == len(overlap.predicted_area) == len(overlap.shared) == len(overlap.iou) == 0


def test_shapes_that_differ_are_an_error():
    with pytest.raises(ValueError, match=r"prediction \(4, 5\) and truth \(5, 4\) differ in shape"):
        Overlap.of(np.zeros((4, 5), np.int32), np.zeros((5, 4), np.int32))


def test_many_objects_need_no_table_of_all_pairs():
    truth = np.arange(1, 500 * 500 + 1, dtype=np.int32).reshape(500, 500)  # a dense table would hold 500 GB
    overlap = Overlap.of(truth.T, truth)
    assert len(overlap.shared) == 250_000
    assert set(overlap.shared.tolist()) == {1}
