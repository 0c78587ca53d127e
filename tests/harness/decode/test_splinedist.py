"""splinedist: SciPy's own splines, scikit-image's own filling, and overlaps counted one by one."""

import numpy as np
import pytest
from scipy.interpolate import BSpline
from skimage.draw import polygon2mask

from zooscope.decode.splinedist import decode, spline_basis

POINTS = 8


def blobs(seed: int, *, count: int = 60, size: int = 96) -> np.ndarray:
    """Maps of uneven round contours that overlap, some of them beyond the image's border."""
    rng, angles = np.random.default_rng(seed), 2 * np.pi * np.arange(POINTS) / POINTS
    maps = np.zeros((1 + 2 * POINTS, size, size), np.float32)
    for place in rng.permutation((size // 3) ** 2)[:count]:
        y, x = 3 * np.array(divmod(int(place), size // 3)) + 1
        radius = rng.uniform(5, 14) * rng.uniform(0.8, 1.2, POINTS)
        maps[:, y, x] = [rng.uniform(0.5, 1), *radius * np.sin(angles), *radius * np.cos(angles)]
    return maps


@pytest.mark.parametrize("points", [4, 8, 13])
def test_the_curve_is_scipys_periodic_cubic_spline(points: int):
    control = np.random.default_rng(0).random((points, 2))
    knots = np.arange(points + 7) - 3.0
    curve = BSpline(knots, np.take(control, np.arange(points + 3) - 1, axis=0, mode="wrap"), 3)
    at = np.arange(5 * points) / 5
    np.testing.assert_allclose(spline_basis(5 * points, points) @ control, curve(at), atol=1e-6)


@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_objects_are_those_of_comparing_all_pairs_of_filled_polygons(threshold: float):
    maps = blobs(0)
    shape, basis = maps.shape[1:], spline_basis(8 * POINTS, POINTS)
    kept: list[np.ndarray] = []
    scores: list[float] = []
    for y, x in sorted(np.argwhere(maps[0] > 0.5), key=lambda place: -maps[0, *place]):
        mask = polygon2mask(shape, (maps[1:, y, x].reshape(2, -1) @ basis.T + [[y], [x]]).T)
        if all((mask & other).sum() <= threshold * min(mask.sum(), other.sum()) for other in kept):
            kept.append(mask)
            scores.append(maps[0, y, x])
    expected = np.zeros(shape, int)
    for number, mask in reversed(list(enumerate(kept, start=1))):
        expected[mask] = number
    labels, objects = decode(maps, shape, nms_threshold=threshold)
    assert 8 < labels.max() < 60
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(objects["score"], scores)


def test_neighbours_of_a_maximum_start_no_object_of_their_own():
    maps = np.zeros((1 + 2 * POINTS, 40, 40), np.float32)
    one = blobs(1, count=1)
    contour = one[1:, one[0] > 0][:, 0]
    for x, prob in ((10, 0.9), (11, 0.8), (28, 0.7)):
        maps[:, 20, x] = [prob, *contour / 3]
    labels, objects = decode(maps, (40, 40), nms_threshold=1.0)
    assert labels.max() == 2
    np.testing.assert_allclose(objects["score"], [0.9, 0.7])


def test_a_coarse_grid_an_odd_size_no_object_and_a_contour_larger_than_the_image():
    maps = np.zeros((1 + 2 * POINTS, 20, 25), np.float32)
    labels, objects = decode(maps, (39, 50))
    assert (labels.shape, labels.max(), len(objects["score"])) == ((39, 50), 0, 0)
    angles = 2 * np.pi * np.arange(POINTS) / POINTS
    maps[:, 5, 7] = [0.9, *6 * np.sin(angles), *6 * np.cos(angles)]
    y, x = np.nonzero(decode(maps, (39, 50))[0])
    assert (round(y.mean()), round(x.mean())) == (10, 14)
    maps[1:, 5, 7] *= 1e6
    assert (decode(maps, (39, 50))[0] == 1).all()
