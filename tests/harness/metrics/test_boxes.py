"""Boxes: those of scikit-image, and the pairs that a table of all pairs would show."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from skimage.measure import regionprops

from zooscope.metrics import boxes


def dense(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU of all pairs."""
    low, high = np.maximum(one[:, None, :2], other[None, :, :2]), np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    sizes = [np.prod(some[:, 2:] - some[:, :2], axis=1) for some in (one, other)]
    return shared / (sizes[0][:, None] + sizes[1] - shared)


def check(one: np.ndarray, other: np.ndarray, least_iou: float) -> None:
    i, j, iou = boxes.overlapping(one, other, least_iou=least_iou)
    table = dense(one, other)
    np.testing.assert_array_equal(np.stack([i, j]), np.nonzero(table >= least_iou))
    np.testing.assert_array_equal(iou, table[i, j])


def test_boxes_around_objects_are_those_of_scikit_image(answers: Sequence[Any]):
    for answer in answers:
        np.testing.assert_array_equal(boxes.around(answer.found), [r.bbox for r in regionprops(answer.found)])


def test_boxes_are_in_the_order_of_labels_whatever_their_gaps():
    labels = np.array([[900_000_000, 0, 7], [0, 7, 7]])
    np.testing.assert_array_equal(boxes.around(labels), [[0, 1, 2, 3], [0, 0, 1, 1]])
    np.testing.assert_array_equal(boxes.around(labels[:, ::2] + 1), [[1, 0, 2, 1], [0, 1, 2, 2], [0, 0, 1, 1]])
    assert boxes.around(np.zeros((4, 4), int)).shape == boxes.around(np.zeros((0, 4), int)).shape == (0, 4)
    np.testing.assert_array_equal(boxes.around(np.eye(2, dtype=bool)), [[0, 0, 2, 2]])


@pytest.mark.parametrize("least_iou", [0.01, 0.5, 0.9])
def test_pairs_of_real_boxes_are_those_of_a_table_of_all(least_iou: float, answers: Sequence[Any]):
    for answer in answers:
        check(boxes.around(answer.found), boxes.around(answer.truth), least_iou)


def test_pairs_of_boxes_of_all_sizes_are_those_of_a_table_of_all():
    rng = np.random.default_rng(0)
    corners, sizes = rng.uniform(0, 100, (2, 700, 2)), rng.uniform(0, 50, (2, 700, 2)) ** 1.3
    one, other = np.concatenate([corners, corners + sizes], axis=2)
    check(one, other, 0.1)
    check(one, other[:1], 0.1)
    check(one[:0], other, 0.1)
    check(one, other[:0], 0.1)


def test_boxes_that_only_touch_do_not_overlap():
    one, other = np.array([[0.0, 0, 4, 4]]), np.array([[4.0, 0, 8, 4], [0, 4, 4, 8], [3, 3, 7, 7]])
    _, j, iou = boxes.overlapping(one, other, least_iou=1e-9)
    assert (j.tolist(), iou.tolist()) == ([2], [1 / 31])


def test_a_box_without_area_overlaps_nothing():
    line = np.array([[1.0, 1, 1, 5]])
    assert len(boxes.overlapping(line, line, least_iou=0.5)[0]) == 0


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (np.zeros((3, 5)), r"shape \(3, 5\); boxes are \(n, 4\), no boxes are \(0, 4\)"),
        (np.zeros(0), r"shape \(0,\)"),
        (np.zeros((1, 4), bool), "is bool"),
        (np.array([["0", "0", "1", "1"]]), "is <U1"),
        (np.array([[0, 0, np.nan, 1]]), "NaN or infinity"),
        (np.array([[0, 0, 1, np.inf]]), "NaN or infinity"),
        (np.array([[0, 0, 1, 1], [5, 0, 4, 1]]), r"box 1 is \[5.0, 0.0, 4.0, 1.0\]; y0, x0, y1, x1"),
    ],
)
def test_what_is_no_box_is_named(given: np.ndarray, text: str):
    with pytest.raises(ValueError, match=text):
        boxes.check_boxes(given, name="prediction")
