"""Contours that a network can learn point by point, and shapes that no star-convex polygon follows."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.measure import find_contours, regionprops
from stardist.geometry import dist_to_coord, star_dist

from zooscope.data import Dataset
from zooscope.decode.splinedist import decode, spline_basis
from zooscope_zoo.splinedist.contours import contours, sampled


@pytest.fixture(scope="module")
def slender(demo: Dataset) -> NDArray[np.complex128]:
    """Outline x + i y of the most elongated nucleus of the demo set."""
    found = [region for sample in demo for region in regionprops(sample.target) if region.area > 100]
    nucleus = max(found, key=lambda region: region.eccentricity)
    outline = find_contours(np.pad(nucleus.image, 1), 0.5)[0][:-1]
    return outline[:, 1] + 1j * outline[:, 0]


def test_a_contour_is_the_same_however_its_outline_was_walked(slender: NDArray[np.complex128]) -> None:
    points = sampled(slender, 32)
    np.testing.assert_allclose(sampled(np.roll(slender, 11), 32), points, atol=0.2)
    np.testing.assert_allclose(sampled(slender[::-1], 32), points, atol=0.2)


def test_points_move_steadily_while_a_slender_nucleus_turns(slender: NDArray[np.complex128]) -> None:
    slender = slender - slender.mean()
    turned = np.array([sampled(slender * np.exp(1j * angle), 32) for angle in np.deg2rad(range(361))])
    steps = np.abs(np.diff(turned, axis=0))
    perimeter = np.abs(np.diff(slender)).sum()
    assert steps.max() < 0.02 * perimeter
    np.testing.assert_allclose(turned[360], turned[0], atol=1e-6)


def bent(*, width_px: float, degrees: float, size: int = 96, radius_px: float = 26) -> NDArray[np.int32]:
    """A rod of twice that width bent along an arc of a circle, with round ends."""
    arc = np.deg2rad(np.linspace(0, degrees, 200)) + 0.4
    line = np.ones((size, size), bool)
    line[
        np.round(radius_px * np.sin(arc) + size / 2).astype(int),
        np.round(radius_px * np.cos(arc) + size / 2).astype(int),
    ] = False
    return (ndimage.distance_transform_edt(line) < width_px).astype(np.int32)


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return (one & other).sum() / (one | other).sum()


def best_star(mask: NDArray[np.int32]) -> float:
    """IoU of the best polygon of 32 true distances, from whichever pixel."""
    distances, points = star_dist(mask.astype(np.uint16), 32), np.argwhere(mask)
    outlines = dist_to_coord(distances[tuple(points.T)], points)
    return max(iou(polygon2mask(mask.shape, outline.T), mask > 0) for outline in outlines)


def fitted_spline(mask: NDArray[np.int32], control_points: int) -> float:
    """IoU of the spline that fits the sampled contour best."""
    basis = spline_basis(4 * control_points, control_points)
    maps = np.zeros((1 + 2 * control_points, *mask.shape), np.float32)
    y, x = np.argwhere(mask)[0]
    fit = contours(mask, 4 * control_points)[0] @ np.linalg.pinv(basis).T
    maps[:, y, x] = [1, *(fit - np.array([[y], [x]])).ravel()]
    return iou(decode(maps, (mask.shape[0], mask.shape[1]))[0] > 0, mask > 0)


@pytest.mark.parametrize("width_px", [4, 6, 8])
def test_a_spline_follows_bent_shapes_that_no_star_convex_polygon_reaches(width_px: float) -> None:
    mask = bent(width_px=width_px, degrees=210)
    star = best_star(mask)
    assert star < 0.85
    assert fitted_spline(mask, 12) > star + 0.05
    assert fitted_spline(mask, 16) > max(0.92, star + 0.1)
