"""StarDist's targets, on real labels."""

import numpy as np
import pytest
from skimage.draw import polygon2mask

from zooscope import plugins
from zooscope.data import Dataset
from zooscope.decode.stardist import decode
from zooscope.metrics import measure
from zooscope_zoo.stardist.method import StarDistConfig

METHOD = plugins.load("methods", "stardist")
NO_PLANES = np.zeros((0, 0, 0), np.float32)


@pytest.mark.parametrize(("grid", "share"), [(1, 0.95), (2, 0.9), (4, 0.75)])
def test_decoded_targets_are_the_objects_again_but_for_those_smaller_than_the_grid(
    demo: Dataset, grid: int, share: float
) -> None:
    found = true = 0.0
    for sample in demo:
        targets = METHOD.targets(sample.target, NO_PLANES, StarDistConfig(grid=grid))
        assert (targets.dtype, targets.shape) == (np.float32, (33, *(-(-size // grid) for size in sample.target.shape)))
        labels, _ = decode(targets, sample.target.shape, prob_threshold=0.5, nms_threshold=0.4)
        record = measure(labels, sample.target)
        found, true = found + record["tp50"], true + record["true"]
    assert found > share * true


def test_distances_lead_from_each_pixel_to_its_objects_outline(demo: Dataset) -> None:
    labels = next(iter(demo.only("test"))).target
    targets = METHOD.targets(labels, NO_PLANES, StarDistConfig(grid=1))
    y, x = (int(place) for place in np.argwhere(targets[0] == 1)[0])
    angles = 2 * np.pi * np.arange(32) / 32
    outline = np.stack([y + targets[1:, y, x] * np.sin(angles), x + targets[1:, y, x] * np.cos(angles)], axis=1)
    star, own = polygon2mask(labels.shape, outline), labels == labels[y, x]
    assert (star & own).sum() > 0.9 * (star | own).sum()


def test_more_objects_than_16_bits_count_are_no_background(demo: Dataset) -> None:
    labels = next(iter(demo.only("test"))).target
    wide = np.where(labels > 0, labels + 65_535, 0).astype(np.int32)
    config = StarDistConfig()
    np.testing.assert_array_equal(METHOD.targets(wide, NO_PLANES, config), METHOD.targets(labels, NO_PLANES, config))
