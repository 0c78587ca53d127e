"""Drawn rods: the same for the same number, apart from each other, and bent so that no point sees all of one."""

from types import ModuleType

import numpy as np
from scipy import ndimage
from skimage.measure import regionprops


def test_rods_are_bent_slender_whole_and_brighter_than_what_is_around_them(tool: ModuleType) -> None:
    first, again, other = tool.drawn(3), tool.drawn(3), tool.drawn(4)
    np.testing.assert_array_equal(first.image.values, again.image.values)
    np.testing.assert_array_equal(first.target, again.target)
    assert (first.image.values != other.image.values).any()
    for sample in (first, other):
        assert sample.target.max() > 4
        inside = sample.target > 0
        assert sample.image.values[inside].mean() > 2 * sample.image.values[~inside].mean()
        for found in regionprops(sample.target):
            assert ndimage.label(found.image, np.ones((3, 3)))[1] <= 2, "one piece, or two that the border cuts"
    bent = [found.solidity for sample in map(tool.drawn, range(20)) for found in regionprops(sample.target)]
    assert np.mean(np.array(bent) < 0.85) > 0.5


def test_the_report_has_both_methods_and_their_scores(tool: ModuleType) -> None:
    told = {"splinedist": dict.fromkeys(tool.METRICS, 0.5), "stardist": dict.fromkeys(tool.METRICS, 0.25)}
    text = tool.report({"images": 20, "objects": 99, "steps": 7, "scores": told}, "picture.png")
    assert "| splinedist | 0.500 | 0.500 | 0.500 |" in text
    assert "| stardist | 0.250 | 0.250 | 0.250 |" in text
    assert "7 steps" in text
