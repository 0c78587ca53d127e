"""Masks: objects that overlap, and what is made of them."""

import numpy as np
import pytest

from zooscope.data import Dataset
from zooscope.masks import Masks


def stack_of(labels: np.ndarray) -> list[np.ndarray]:
    return [labels == label for label in range(1, labels.max() + 1)]


def test_objects_that_do_not_overlap_are_their_label_image(demo: Dataset):
    for sample in demo:
        masks = Masks.of_stack(stack_of(sample.target), shape=sample.target.shape)
        np.testing.assert_array_equal(masks.labels(), sample.target)
        np.testing.assert_array_equal(masks.sizes, np.bincount(sample.target.ravel())[1:])


def test_smaller_objects_lie_on_top_and_what_is_left_of_them_is_counted():
    stack = np.zeros((3, 6, 8), bool)
    stack[0, 1:3, 1:3], stack[1] = True, True  # all of the image under a square
    stack[2, 1:4, 2:5] = True  # nine pixels, one row and column of which the square covers
    masks = Masks.of_stack(stack, shape=(6, 8))
    labels = masks.labels()
    np.testing.assert_array_equal(labels, np.where(stack[0], 1, np.where(stack[2], 3, 2)))
    assert masks.sizes.tolist() == [4, 48, 9]
    assert np.unique(masks.labels(least_px=8)).tolist() == [0, 2], "two of nine pixels are under the square"
    assert masks.boxes().tolist() == [[1, 1, 3, 3], [0, 0, 6, 8], [1, 2, 4, 5]]


def test_runs_that_touch_overlap_and_are_empty_are_one_object():
    owner, start, length = (np.array(row) for row in ([2, 0, 2, 2, 1, 2], [9, 3, 4, 6, 5, 12], [3, 2, 4, 1, 0, 2]))
    masks = Masks.of_runs(owner, start, length, shape=(4, 5), area=np.array([np.nan, 7, 99]))
    assert masks.owner.tolist() == [0, 1, 1], "the object without pixels is left out"
    assert masks.start.tolist() == [3, 4, 9]
    assert masks.length.tolist() == [2, 4, 5]
    assert masks.area.tolist() == [2, 99], "counted where the source does not say"


@pytest.mark.parametrize("shape", [(3, 4), (1, 1)])
def test_no_objects_are_no_objects(shape: tuple[int, int]):
    masks = Masks.of_stack([], shape=shape)
    assert len(masks) == 0
    assert masks.boxes().shape == (0, 4)
    assert not masks.labels(least_px=50).any()
