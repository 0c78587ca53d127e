"""splinedist: closed cubic B-splines, the best of each crowd kept, painted as labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

VERSION = 1
SEARCH: dict[str, tuple[Any, ...]] = {
    "prob_threshold": (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8),
    "nms_threshold": (0.2, 0.3, 0.4, 0.5),
}

SAMPLES = 8
"""Vertices of a painted contour to one control point."""

Array = NDArray[np.floating[Any]]


def decode(
    maps: NDArray[np.float32],
    shape: tuple[int, int],
    *,
    prob_threshold: float = 0.5,
    nms_threshold: float = 0.4,
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.generic]]]:
    """Non-maximum suppression of filled contours, the best first.

    Mandal and Uhlmann 2021, doi:10.1109/ISBI48211.2021.9433928. Where they compare all pixels above the threshold, only
    those do here whose probability is the largest of the 3x3 pixels of the maps around: neighbours inside an object
    give nearly the same contour. Overlaps are counted in pixels of the image, exactly.

    Parameters
    ----------
    maps : (1 + 2 m, y, x): object probability, then y of the m control points and x of them, in pixels of the image
        from the pixel that they stand in. The grid is the ratio of `shape` to the maps' size.
    shape : (y, x) of the image.
    nms_threshold : largest overlap of two kept objects, as intersection over the smaller area.

    Returns
    -------
    Labels int32 (y, x) numbered 1..n, and `score`: the probability that gave each object.
    """
    prob = maps[0]
    grid = np.array([max(1, round(full / part)) for full, part in zip(shape, prob.shape, strict=True)])
    y, x = np.nonzero((prob > prob_threshold) & (prob == maximum_filter(prob, 3, mode="nearest")))
    order = np.argsort(-prob[y, x], kind="stable")
    y, x = y[order], x[order]
    points = maps[1:, y, x].T.reshape(len(y), 2, -1)
    basis = spline_basis(SAMPLES * points.shape[2], points.shape[2])
    contours = points @ basis.T + (grid * np.stack([y, x], axis=1))[..., None]
    labels = np.zeros(shape, np.int32)
    kept = _suppressed(contours, shape, nms_threshold)
    for number, (_, box, mask) in reversed(list(enumerate(kept, start=1))):
        labels[box][mask] = number
    visible = np.unique(labels[labels > 0])
    labels = np.where(labels > 0, np.searchsorted(visible, labels) + 1, 0).astype(np.int32)
    places = np.array([index for index, _, _ in kept], int)[visible - 1]
    return labels, {"score": prob[y[places], x[places]].astype(np.float32)}


def spline_basis(samples: int, control_points: int) -> NDArray[np.float32]:
    """Matrix (samples, control points) from a closed uniform cubic B-spline's control points to points on it.

    The curve's parameter runs from 0 to the number of control points, in equal steps; the basis function is that of
    Unser 1999, doi:10.1109/79.799930.
    """
    steps = np.arange(samples) * control_points / samples
    away = np.abs(steps[:, None] - np.arange(control_points))
    away = np.minimum(away, control_points - away)
    near, far = 2 / 3 - away**2 + away**3 / 2, np.maximum(2 - away, 0) ** 3 / 6
    return np.where(away < 1, near, far).astype(np.float32)


def _suppressed(
    contours: Array, shape: tuple[int, int], threshold: float
) -> list[tuple[int, tuple[slice, slice], NDArray[np.bool_]]]:
    """Index, box and mask of those contours (n, 2, vertices) that no earlier kept one overlaps by more."""
    low = np.clip(np.ceil(contours.min(2)), 0, shape).astype(int)
    high = np.clip(np.floor(contours.max(2)) + 1, low, shape).astype(int)
    kept: list[int] = []
    masks: list[NDArray[np.bool_]] = []
    for index, contour in enumerate(contours):
        mask = _filled(contour, low[index], high[index])
        area = np.count_nonzero(mask)
        near = np.flatnonzero(((low[kept] < high[index]) & (high[kept] > low[index])).all(1))
        for other in near:
            top = np.maximum(low[index], low[kept[other]])
            bottom = np.minimum(high[index], high[kept[other]])
            parts = (
                part[_box(top - at, bottom - at)] for part, at in ((mask, low[index]), (masks[other], low[kept[other]]))
            )
            smaller = min(area, np.count_nonzero(masks[other]))
            if np.count_nonzero(np.logical_and(*parts)) > threshold * smaller:
                break
        else:
            if area:
                kept.append(index)
                masks.append(mask)
    return [(index, _box(low[index], high[index]), mask) for index, mask in zip(kept, masks, strict=True)]


def _box(low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[slice, slice]:
    return slice(low[0], high[0]), slice(low[1], high[1])


def _filled(contour: Array, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Pixels of a box whose middles a closed polygon (2, vertices) winds around.

    Along a row the winding number changes where the polygon crosses it: by one up or down, as the edge leads.
    """
    height, width = high - low
    (y, x), (y_next, x_next) = contour, np.roll(contour, -1, axis=1)
    rows = np.arange(low[0], high[0])[:, None]
    row, edge = np.nonzero((y <= rows) != (y_next <= rows))
    along = (row + low[0] - y[edge]) / (y_next[edge] - y[edge])
    column = np.clip(np.ceil(x[edge] + along * (x_next[edge] - x[edge])) - low[1], 0, width).astype(int)
    turns = np.where(y[edge] < y_next[edge], 1, -1)
    changes = np.bincount(row * (width + 1) + column, turns, minlength=height * (width + 1))
    return changes.reshape(height, width + 1).cumsum(1)[:, :width] != 0
