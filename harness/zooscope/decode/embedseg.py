"""embedseg: pixels whose embeddings lie within a centre's margins are one object, best centres first."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

VERSION = 2
SEARCH: dict[str, tuple[Any, ...]] = {
    "threshold": (0.3, 0.4, 0.5, 0.6),
    "seed_threshold": (0.5, 0.6, 0.7, 0.8, 0.9),
    "min_size_px": (0, 16, 32),
}

STRIP_PX = 4
"""Embeddings are looked up in strips of so many rows."""

SLACK_PX = 1e-3
"""By which a look-up reaches further than the margin, for what rounding does."""


def decode(
    maps: NDArray[np.float32],
    shape: tuple[int, int],
    *,
    threshold: float = 0.5,
    seed_threshold: float = 0.7,
    min_size_px: int = 16,
    min_unclustered: float = 0.5,
) -> tuple[NDArray[np.int32], dict[str, NDArray[np.generic]]]:
    """Cluster the embeddings (place + offset) of the foreground, from the pixel with the best seed on.

    That pixel's embedding is a centre, and the foreground whose embeddings lie in the ellipse around it, with its
    margins as half axes, a cluster. Then the same with the best pixel that is in no cluster yet, while its seed is
    above `seed_threshold` (Lalit et al. 2022, doi:10.1016/j.media.2022.102523; Neven et al. 2019, arXiv:1906.11109).
    Only the embeddings around a centre are looked at: time grows with the foreground, not with it times the objects.

    As EmbedSeg 0.2.5 has it, a later object takes its pixels from earlier ones; one of which nothing is left is none.

    Parameters
    ----------
    maps : (5, y, x): seed from 0 to 1, offset y and x, margin y and x in pixels of the maps. Scaled to `shape` if of
        another size; what comes after the five is not looked at. Margins below 0.01 px count as that.
    shape : (y, x) of the image.
    threshold : the foreground has a seed above.
    min_size_px : clusters with fewer pixels are no objects.
    min_unclustered : nor are those of which no more than this share, its centre not counted, was in none before.

    Returns
    -------
    Labels int32 (y, x) numbered 1..n, and `score`: the seed at each object's centre.
    """
    if maps.shape[0] < 5:
        raise ValueError(f"{maps.shape[0]} channels; seed, offset y and x, margin y and x are expected")
    maps = _scaled(maps[:5], shape)
    labels = np.zeros(shape, np.int32)
    y, x = np.nonzero(maps[0] > threshold)
    seed, offset_y, offset_x, margin_y, margin_x = maps[:, y, x].astype(np.float64)
    margin_y, margin_x = np.maximum(margin_y, 0.01), np.maximum(margin_x, 0.01)
    embedded = _Embedded(y + offset_y, x + offset_x)
    unclustered, of, scores = np.ones(len(y), bool), np.zeros(len(y), np.int32), list[float]()
    good = np.flatnonzero(seed > seed_threshold)
    for best in good[np.argsort(-seed[good], kind="stable")]:
        if not unclustered[best]:
            continue
        unclustered[best] = False
        cluster = embedded.within(best, margin_y[best], margin_x[best])
        new = np.count_nonzero(unclustered[cluster])
        unclustered[cluster] = False
        if len(cluster) >= min_size_px and new > min_unclustered * len(cluster):
            scores.append(seed[best])
            of[cluster] = len(scores)
    seen, numbers = np.unique(np.append(0, of), return_inverse=True)
    labels[y, x] = numbers[1:]
    return labels, {"score": np.asarray(scores, np.float32)[seen[1:] - 1]}


class _Embedded:
    """Points in strips of rows, along each in the order of their columns."""

    def __init__(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> None:
        self._y, self._x = y, x
        self._top, self._left = y.min(initial=np.inf), x.min(initial=np.inf)
        strips = self._strip(y)
        self._last, self._span = strips.max(initial=0), (x - self._left).max(initial=0)
        keys = strips * (self._span + 1) + (x - self._left)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def within(self, centre: int, margin_y: float, margin_x: float) -> NDArray[np.intp]:
        """Points in an ellipse around one of them."""
        y, x = self._y[centre], self._x[centre]
        first, last = max(0, self._strip(y - margin_y)), min(self._last, self._strip(y + margin_y))
        strips = np.arange(first, last + 1) * (self._span + 1)
        left, right = np.clip([x - margin_x - self._left, x + margin_x - self._left], 0, self._span)
        begin = np.searchsorted(self._keys, strips + left - SLACK_PX)
        end = np.searchsorted(self._keys, strips + right + SLACK_PX)
        near = self._order[np.concatenate([np.arange(a, b) for a, b in zip(begin, end, strict=True)])]
        return near[((self._y[near] - y) / margin_y) ** 2 + ((self._x[near] - x) / margin_x) ** 2 < 1]

    def _strip(self, y: Any) -> Any:
        return (y - self._top) // STRIP_PX


def _scaled(maps: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    if maps.shape[1:] == shape:
        return maps
    y, x = (full / part for full, part in zip(shape, maps.shape[1:], strict=True))
    resized = [np.asarray(resize(channel, shape, order=1), np.float32) for channel in maps]
    return np.stack(resized) * np.array([1, y, x, y, x], np.float32)[:, None, None]
