"""stardist: star-convex polygons, the best of each crowd kept, painted as labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 1
SEARCH: dict[str, tuple[Any, ...]] = {
    "prob_threshold": (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8),
    "nms_threshold": (0.2, 0.3, 0.4, 0.5),
}


def decode(
    maps: NDArray[np.float32],
    shape: tuple[int, int],
    *,
    prob_threshold: float = 0.5,
    nms_threshold: float = 0.4,
    border_px: Any = None,
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.generic]]]:
    """Non-maximum suppression and painting by StarDist's own C++.

    Schmidt et al. 2018, doi:10.1007/978-3-030-00934-2_30.

    Parameters
    ----------
    maps : (1 + rays, y, x): object probability, then the distances along the rays in pixels of the image. The grid is
        the ratio of `shape` to the maps' size.
    shape : (y, x) of the image.
    nms_threshold : largest overlap of two kept objects, as intersection over the smaller area.
    border_px : no object has its centre so near the border of the maps, counted in their pixels: one number, or
        ((top, bottom), (left, right)); StarDist's own 2 by default.

    Returns
    -------
    Labels int32 (y, x) numbered 1..n, and `score`: the probability at each object's centre.
    """
    from stardist.geometry import polygons_to_label
    from stardist.nms import non_maximum_suppression

    prob, rays = maps[0], np.ascontiguousarray(np.moveaxis(maps[1:], 0, -1))
    grid = tuple(max(1, round(full / part)) for full, part in zip(shape, prob.shape, strict=True))
    points, scores, distances = non_maximum_suppression(
        rays,
        prob,
        grid=grid,
        prob_thresh=prob_threshold,
        nms_thresh=nms_threshold,
        b=2 if border_px is None else border_px,
    )
    painted = polygons_to_label(distances, points, shape=shape, prob=scores)
    visible = np.unique(painted)
    visible = visible[visible > 0]
    labels = np.where(painted > 0, np.searchsorted(visible, painted) + 1, 0).astype(np.int32)
    return labels, {"score": np.asarray(scores, np.float32)[visible - 1]}
