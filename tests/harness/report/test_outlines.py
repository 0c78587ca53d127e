import re

import numpy as np
import pytest
from numpy.typing import NDArray

from zooscope.data import Dataset
from zooscope.report.outlines import outlines


def filled(path: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels that a path encloses (evenodd), by walking it: every step down or up flips what lies to its right."""
    inside = np.zeros(shape, bool)
    x = y = x0 = y0 = 0
    for word, a, b in re.findall(r"([Mhvz])(-?\d*),?(\d*)", path):
        if word == "M":
            x, y = x0, y0 = int(a), int(b)
        elif word == "h":
            x += int(a)
        else:
            end = y0 if word == "z" else y + int(a)
            inside[min(y, end) : max(y, end), x:] ^= True
            y = end
            x = x0 if word == "z" else x
    return inside


def test_the_outlines_of_every_demo_image_enclose_exactly_its_objects(demo: Dataset) -> None:
    for sample in demo:
        objects = np.unique(sample.target[sample.target > 0])
        paths = outlines(sample.target)
        assert len(paths) == len(objects)
        for value, path in zip(objects, paths, strict=True):
            np.testing.assert_array_equal(filled(path, sample.target.shape), sample.target == value)


@pytest.mark.parametrize(
    "rows",
    [
        ["#"],
        ["#.", ".#"],
        ["###", "#.#", "###"],
        ["##.", "#.#", ".##"],
        ["#.#", ".#.", "#.#"],
        ["#####", "#...#", "#.#.#", "#...#", "#####"],
    ],
)
def test_holes_corners_that_touch_and_single_pixels_are_enclosed_too(rows: list[str]) -> None:
    labels = np.array([[7 if pixel == "#" else 0 for pixel in row] for row in rows])
    (path,) = outlines(labels)
    np.testing.assert_array_equal(filled(path, labels.shape), labels > 0)
    assert path.count("M") == path.count("z")


def test_an_empty_image_has_no_outlines() -> None:
    assert outlines(np.zeros((4, 5), int)) == []
