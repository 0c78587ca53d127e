"""Where an object's pixels shall point: its medoid, the pixel with the smallest sum of distances to its others."""

import numpy as np
from numpy.typing import NDArray

ITERATIONS = 8


def medoids(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Centres (n, 2) of the objects 1..n of a label image (y, x).

    The sum of distances is convex, so the medoid is next to the point where it is smallest, the geometric median.
    Weiszfeld's iteration finds that (Weiszfeld 1937, doi:10.1007/s10479-008-0352-z), for all objects at once in a time
    that grows with their pixels, not with the square of them; of an object's pixels the one nearest to it is taken.
    """
    y, x = np.nonzero(labels)
    own = labels[y, x] - 1
    count = int(labels.max(initial=0))
    weight, distance = np.ones(len(y)), np.zeros(len(y))
    for _ in range(ITERATIONS):
        total = np.bincount(own, weight, count)
        median_y, median_x = (np.bincount(own, weight * place, count) / total for place in (y, x))
        distance = np.hypot(y - median_y[own], x - median_x[own])
        weight = 1 / np.maximum(distance, 0.5)  # a pixel is as wide, and none may hold the median for ever
    nearest = np.lexsort((distance, own))
    first = np.searchsorted(own[nearest], np.arange(count))
    return np.stack([y[nearest[first]], x[nearest[first]]], axis=1)
