"""stardist: star-convex polygons, the best of each crowd kept, painted as labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import grid_points_in_poly

VERSION = 1
SEARCH: dict[str, tuple[Any, ...]] = {
    "prob_threshold": (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8),
    "nms_threshold": (0.2, 0.3, 0.4, 0.5),
    "border_px": (2, 0),  # none starts in the border of 2 upstream, which costs objects that the image's edge cuts
}

LAYER = 300_000
"""Candidates of an image in tiles that are compared at once."""

BLOCK_PX = 2048

COLUMNS = ("scores", "points", "distances", "of_class")
"""Of the candidates in a tile."""


def decode(
    maps: NDArray[np.float32],
    shape: tuple[int, int],
    *,
    prob_threshold: float = 0.5,
    nms_threshold: float = 0.4,
    border_px: Any = 2,
    classes: Any = None,
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.generic]]]:
    """Non-maximum suppression by StarDist's own C++, and polygons painted as it paints them.

    Schmidt et al. 2018, doi:10.1007/978-3-030-00934-2_30.

    Parameters
    ----------
    maps : (1 + rays + classes, y, x): object probability, the distances along the rays in pixels of the image, and the
        probability of each class. The grid is the ratio of `shape` to the maps' size.
    shape : (y, x) of the image.
    nms_threshold : largest overlap of two kept objects, as intersection over the smaller area.
    border_px : no object has its centre so near the border of the maps, counted in their pixels: one number, or
        ((top, bottom), (left, right)). By default 2, as in StarDist.
    classes : their names, where there are maps of them.

    Returns
    -------
    Labels int32 (y, x) numbered 1..n, and `score`: the probability at each object's centre; with classes also `class`,
    the likeliest one there, and `class_score`, its probability.
    """
    from stardist.geometry import dist_to_coord
    from stardist.nms import non_maximum_suppression_inds

    height, width = maps.shape[1:]
    grid = max(1, round(shape[0] / height)), max(1, round(shape[1] / width))
    limits = {"prob_threshold": prob_threshold, "border_px": border_px, "classes": classes}
    found = collect(maps, at=(0, 0), size=(height, width), grid=grid, **limits)
    order = np.argsort(found["scores"])[::-1]  # StarDist's own order, also of equal ones
    best = {name: column[order] for name, column in found.items()}
    stay = non_maximum_suppression_inds(
        best["distances"], best["points"], scores=best["scores"], thresh=nms_threshold, verbose=False
    )
    kept: dict[str, NDArray[Any]] = {name: column[stay] for name, column in best.items()}
    order = np.argsort(kept["scores"], kind="stable")  # the best are painted last
    coord = dist_to_coord(kept["distances"], kept["points"])[order]
    labels, shown = _without_hidden(_painted(coord, shape, order + 1), kept["points"])
    return labels, _columns(kept["scores"], kept["of_class"], classes, shown)


def collect(
    maps: NDArray[np.float32],
    *,
    at: tuple[int, int],
    size: tuple[int, int],
    grid: tuple[int, int],
    prob_threshold: float = 0.5,
    nms_threshold: float = 0.4,
    border_px: Any = 2,
    classes: Any = None,
) -> dict[str, NDArray[np.generic]]:
    """The candidates in a tile's maps (c, y, x) that lie `at` (y, x) in maps of `size` for the whole image."""
    prob, rays, of_class = _parts(maps, classes)
    mask = prob > prob_threshold
    for axis, (before, after) in enumerate([(border_px, border_px)] * 2 if isinstance(border_px, int) else border_px):
        place = np.arange(mask.shape[axis]) + at[axis]
        inside = (place >= before) & (place < size[axis] - after)
        mask &= inside[:, None] if axis == 0 else inside
    y, x = np.nonzero(mask)
    return {
        "scores": prob[y, x],
        "points": ((np.stack([y, x], axis=1) + at) * grid).astype(np.int32),
        "distances": np.ascontiguousarray(rays[:, y, x].T),
        "of_class": np.ascontiguousarray(of_class[:, y, x].T),
    }


def finish(
    tiles: Sequence[Mapping[str, NDArray[np.generic]]],
    shape: tuple[int, int],
    canvas: Any,
    *,
    prob_threshold: float = 0.5,
    nms_threshold: float = 0.4,
    border_px: Any = 2,
    classes: Any = None,
) -> tuple[int, dict[str, NDArray[np.generic]]]:
    """Labels of a whole image from what `collect` gave of its tiles: those of `decode`, with the same numbers.

    Suppression goes by falling score, so it is done in layers: the best candidates among themselves, then the next ones
    beside those that were kept, which no later one can suppress. Then the polygons are painted block by block.

    Parameters
    ----------
    tiles : each read again whenever its columns are.
    canvas : int32 (y, x), zeros, cut and written by slices.

    Returns
    -------
    How many objects, and what `decode` tells of each.
    """
    from stardist.geometry import dist_to_coord
    from stardist.nms import non_maximum_suppression_inds

    scores = np.sort(np.concatenate([np.zeros(0, np.float32), *(tile["scores"] for tile in tiles)]))[::-1]
    kept: dict[str, NDArray[Any]] = {}
    highest = np.inf
    for end in range(LAYER, len(scores) + LAYER, LAYER):
        lowest = scores[min(end, len(scores)) - 1]
        if lowest >= highest:  # all of the layer have the score that the last one ended with
            continue
        layer = _between(tiles, lowest, highest)
        order = np.argsort(layer["scores"], kind="stable")[::-1]
        both = {name: np.concatenate([*([kept[name]] if kept else []), layer[name][order]]) for name in layer}
        stay = non_maximum_suppression_inds(
            both["distances"], both["points"], scores=both["scores"], thresh=nms_threshold, verbose=False
        )
        kept, highest = {name: column[stay] for name, column in both.items()}, lowest
    if not kept:
        return 0, _columns(scores, np.zeros((0, len(classes or ())), np.float32), classes, np.zeros(0, np.intp))
    order = np.argsort(kept["scores"], kind="stable")  # the best are painted last
    coord = dist_to_coord(kept["distances"], kept["points"])[order]
    low, high = coord.min(axis=2), coord.max(axis=2)
    visible = np.zeros(len(order) + 1, bool)
    rows, columns = ([slice(i, min(n, i + BLOCK_PX)) for i in range(0, n, BLOCK_PX)] for n in shape)
    blocks = [(y, x) for y in rows for x in columns]
    for y, x in blocks:
        near = ((high >= (y.start, x.start)) & (low <= (y.stop, x.stop))).all(axis=1)
        shifted = coord[near] - np.array([y.start, x.start])[:, None]
        canvas[y, x] = _painted(shifted, (y.stop - y.start, x.stop - x.start), order[near] + 1)
        visible[canvas[y, x]] = True
    visible[0] = False
    numbers = np.where(visible, np.cumsum(visible), 0).astype(np.int32)
    for y, x in blocks:
        canvas[y, x] = numbers[canvas[y, x]]
    shown = np.flatnonzero(visible[1:])
    return len(shown), _columns(kept["scores"], kept["of_class"], classes, shown)


def _painted(coord: NDArray[np.floating], shape: tuple[int, ...], numbers: NDArray[np.integer]) -> NDArray[np.int32]:
    """Polygons (n, 2, rays), later ones over earlier ones: what StarDist's own painting gives, in half the time.

    Float32 less whole numbers is exact in float64, so each polygon has the very pixels in its own box.
    """
    painted = np.zeros(shape, np.int32)
    low = np.maximum(np.floor(coord.min(axis=2)), 0).astype(np.intp)
    high = np.minimum(np.ceil(coord.max(axis=2)) + 1, shape).astype(np.intp)
    vertices = (coord - low[..., None]).transpose(0, 2, 1)
    for polygon, (top, left), (bottom, right), number in zip(vertices, low, high, numbers, strict=True):
        if bottom > top and right > left:
            inside = grid_points_in_poly((bottom - top, right - left), polygon)
            painted[top:bottom, left:right][inside] = number
    return painted


def _without_hidden(
    painted: NDArray[np.integer], points: NDArray[np.integer]
) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Labels without gaps, and which objects they are; nearly always all are seen, each at least at its centre."""
    y, x = np.minimum(points, np.array(painted.shape) - 1).T
    if (painted[y, x] == np.arange(1, len(points) + 1)).all():
        return painted.astype(np.int32, copy=False), np.arange(len(points))
    visible = np.bincount(painted.ravel()) > 0
    visible[0] = False
    return np.where(visible, np.cumsum(visible), 0).astype(np.int32)[painted], np.flatnonzero(visible[1:])


def _parts(maps: NDArray[np.float32], classes: Any) -> tuple[NDArray[np.float32], ...]:
    """Probability (y, x), rays and classes (k, y, x)."""
    end = len(maps) - len(classes or ())
    return maps[0], maps[1:end], maps[end:]


def _columns(
    scores: NDArray[Any], of_class: NDArray[Any], classes: Any, chosen: NDArray[np.integer]
) -> dict[str, NDArray[np.generic]]:
    """What is told of the chosen ones of all objects, in their order."""
    columns: dict[str, NDArray[np.generic]] = {"score": scores[chosen]}
    if classes:
        found = of_class[chosen]
        columns["class"] = np.array(classes)[found.argmax(axis=1)]
        columns["class_score"] = found.max(axis=1)
    return columns


def _between(
    tiles: Sequence[Mapping[str, NDArray[np.generic]]], lowest: float, highest: float
) -> dict[str, NDArray[np.generic]]:
    """The candidates with lowest <= score < highest."""
    found: list[dict[str, NDArray[np.generic]]] = []
    for tile in tiles:
        scores: NDArray[Any] = tile["scores"]
        chosen = (scores >= lowest) & (scores < highest)
        if chosen.any():
            found.append({name: tile[name][chosen] for name in COLUMNS})
    return {name: np.concatenate([part[name] for part in found]) for name in COLUMNS}
