"""Label images from one mask an object, and from run lengths."""

import numpy as np
import pytest

from zooscope.data import Dataset
from zooscope.data.labels import labels_from_masks, mask_from_runs
from zooscope.errors import DataError

SHAPE = (6, 7)


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[top:bottom, left:right] = True
    return mask


def test_masks_of_real_nuclei_give_their_labels_back(demo: Dataset):
    for sample in demo:
        masks = [sample.target == label for label in range(1, sample.target.max() + 1)]
        labels = labels_from_masks(masks, shape=sample.target.shape, source="demo")
        assert labels.dtype == np.int32
        np.testing.assert_array_equal(labels, sample.target)


def test_where_masks_overlap_the_smaller_lies_on_top_whatever_the_order():
    large, small = box(0, 0, 5, 5), box(1, 1, 3, 3)
    for masks, small_label in (([large, small], 2), ([small, large], 1)):
        labels = labels_from_masks(masks, shape=SHAPE, source="x")
        np.testing.assert_array_equal(labels == small_label, small)
        np.testing.assert_array_equal(labels == 3 - small_label, large & ~small)


def test_an_empty_mask_is_left_out_and_the_numbers_stay_without_gap():
    masks = [box(0, 0, 2, 2), np.zeros(SHAPE, bool), box(3, 3, 5, 5)]
    labels = labels_from_masks(masks, shape=SHAPE, source="x")
    assert np.unique(labels).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(labels == 2, masks[2])


def test_no_masks_give_background():
    assert not labels_from_masks([], shape=SHAPE, source="x").any()


def test_a_mask_of_another_shape_is_refused_by_number():
    with pytest.raises(DataError, match=r"here: mask 1 is \(7, 6\), but the image is \(6, 7\)"):
        labels_from_masks([box(0, 0, 1, 1), box(0, 0, 1, 1).T], shape=SHAPE, source="here")


def test_runs_count_from_one_down_the_columns():
    # pixels 2 and 3 of the first column; pixels 6 to 8 are the last of the first and two of the second column
    mask = mask_from_runs("2 2 6 3", shape=SHAPE, source="x")
    assert sorted(zip(*np.nonzero(mask), strict=True)) == [(0, 1), (1, 0), (1, 1), (2, 0), (5, 0)]


def test_runs_may_cover_the_whole_image_and_nothing_beyond():
    assert mask_from_runs("1 42", shape=SHAPE, source="x").all()
    with pytest.raises(DataError, match="here: run-length code does not fit an image of 6x7 pixels"):
        mask_from_runs("1 43", shape=SHAPE, source="here")


@pytest.mark.parametrize("runs", ["1", "1 2 3", "0 2", "-3 2", "1 0", "1 -1", "43 1", "42 2", "9223372036854775807 2"])
def test_runs_that_do_not_fit_are_refused(runs: str):
    with pytest.raises(DataError, match="here: run-length code does not fit"):
        mask_from_runs(runs, shape=SHAPE, source="here")


@pytest.mark.parametrize("runs", ["1 two", "1.5 2", "1,2", "99999999999999999999 1"])
def test_runs_with_a_word_that_is_no_number_are_refused(runs: str):
    with pytest.raises(DataError, match="here: run-length code with a word that is no number"):
        mask_from_runs(runs, shape=SHAPE, source="here")


def test_no_runs_are_an_empty_mask():
    assert not mask_from_runs("", shape=SHAPE, source="x").any()
