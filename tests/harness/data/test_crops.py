"""Cards of crops: the middle of some images of one split, unchanged."""

import numpy as np
import pytest

from zooscope.data.crops import Crops, cropped
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image


def sample(number: int, size: tuple[int, int] = (30, 41)) -> Sample:
    image = np.random.default_rng(number).normal(size=size).astype(np.float32)
    return Sample(
        f"image-{number:02d}", as_image(image, axes="yx", source="a test"), image + 1, group=f"group-{number}"
    )


def test_crops_are_the_middle_of_images_spread_evenly_over_a_split():
    pairs = [(sample(k), "test" if k % 2 else "train") for k in reversed(range(24))]
    found = list(cropped(pairs, Crops(split="test", images=4, edge_px=20)))
    assert [one.id for one, _ in found] == ["image-01", "image-07", "image-13", "image-19"]
    assert {split for _, split in found} == {"test"}
    one, whole = found[0][0], sample(1)
    np.testing.assert_array_equal(one.image.values, whole.image.values[5:25, 10:30])
    np.testing.assert_array_equal(one.target, whole.target[5:25, 10:30])
    assert (one.group, one.image.dims) == ("group-1", ("y", "x"))


def test_too_few_or_too_small_images_are_refused():
    with pytest.raises(DataError, match="2 crops of split 'test' are wanted, which has 1 images"):
        list(cropped([(sample(0), "test")], Crops(split="test", images=2, edge_px=20)))
    with pytest.raises(DataError, match="'image-00' of 30 x 41 px has no crop of 31 px"):
        list(cropped([(sample(0), "test")], Crops(split="test", images=1, edge_px=31)))
