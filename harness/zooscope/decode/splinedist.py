"""splinedist: closed cubic B-splines, the best of each crowd kept, painted as labels."""

from collections.abc import Iterator
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

CHUNK_PX = 2**20
"""Pixels of the boxes of contours that are filled at once."""

Array = NDArray[np.floating[Any]]
Places = NDArray[np.int64]
Mask = NDArray[np.bool_]
Box = tuple[slice, slice]


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
    count = (len(maps) - 1) // 2
    points = maps[1:, y, x].T.reshape(-1, 2, count)
    basis = spline_basis(SAMPLES * count, count)
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


def _suppressed(contours: Array, shape: tuple[int, int], threshold: float) -> list[tuple[int, Box, Mask]]:
    """Index, box and mask of those contours (n, 2, vertices) that no earlier kept one overlaps by more."""
    low = np.clip(np.ceil(contours.min(2)), 0, shape).astype(int)
    high = np.clip(np.floor(contours.max(2)) + 1, low, shape).astype(int)
    masks: dict[int, Mask] = {}
    kept = np.zeros(len(contours), bool)
    for index, mask in enumerate(_filled(contours, low, high)):
        area = np.count_nonzero(mask)
        for other in np.flatnonzero(kept & ((low < high[index]) & (high > low[index])).all(1)).tolist():
            top, bottom = np.maximum(low[index], low[other]), np.minimum(high[index], high[other])
            own, its = mask[_box(top - low[index], bottom - low[index])], masks[other]
            both = own & its[_box(top - low[other], bottom - low[other])]
            if np.count_nonzero(both) > threshold * min(area, np.count_nonzero(its)):
                break
        else:
            kept[index] = area > 0
            masks[index] = mask
    return [(index, _box(low[index], high[index]), masks[index]) for index in np.flatnonzero(kept).tolist()]


def _box(low: Places, high: Places) -> Box:
    return slice(low[0], high[0]), slice(low[1], high[1])


def _filled(contours: Array, low: Places, high: Places) -> Iterator[Mask]:
    """Of each closed polygon (n, 2, vertices) those pixels in its box whose middles it winds around.

    Along a row the winding number changes where the polygon crosses it, by one up or down as the edge leads, and is 0
    again at the end: so the rows of many polygons can stand in one line that is summed up once.
    """
    height, width = (high - low).T
    size = height * (width + 1)  # what is crossed beyond the box counts in the last column
    ends = size.cumsum()
    for chunk in np.split(np.arange(len(size)), np.flatnonzero(np.diff(ends // CHUNK_PX)) + 1):
        y, x = np.moveaxis(contours[chunk], 1, 0)
        y_next, x_next = np.roll(y, -1, axis=1), np.roll(x, -1, axis=1)
        first, last = (
            np.clip(np.ceil(bound(y, y_next)).astype(int), low[chunk, :1], high[chunk, :1])
            for bound in (np.minimum, np.maximum)
        )
        polygon, edge = np.nonzero(last > first)
        rows = (last - first)[polygon, edge]
        polygon, edge = np.repeat(polygon, rows), np.repeat(edge, rows)
        row = first[polygon, edge] + np.arange(len(polygon)) - np.repeat(rows.cumsum() - rows, rows)
        along = (row - y[polygon, edge]) / (y_next - y)[polygon, edge]
        column = np.ceil(x[polygon, edge] + along * (x_next - x)[polygon, edge]) - low[chunk, 1][polygon]
        begins = (ends - size)[chunk] - (ends - size)[chunk[:1]]
        at = begins[polygon] + (row - low[chunk, 0][polygon]) * (width[chunk] + 1)[polygon]
        at += np.clip(column, 0, width[chunk][polygon]).astype(int)
        turns = np.where(y_next > y, 1, -1)[polygon, edge]
        inside = np.bincount(at, turns, minlength=size[chunk].sum()).cumsum() != 0
        for begin, lines, columns in zip(begins, height[chunk], width[chunk] + 1, strict=True):
            yield inside[begin : begin + lines * columns].reshape(lines, columns)[:, :-1]
