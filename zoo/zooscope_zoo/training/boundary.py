"""Boundaries of objects in a label image, as targets."""

import numpy as np
from numpy.typing import NDArray

_HERE, _NEXT, _ALL = slice(None, -1), slice(1, None), slice(None)
_PAIRS = (
    ((_ALL, _HERE), (_ALL, _NEXT)),
    ((_HERE, _ALL), (_NEXT, _ALL)),
    ((_HERE, _HERE), (_NEXT, _NEXT)),
    ((_HERE, _NEXT), (_NEXT, _HERE)),
)


def inner_boundary(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels (y, x) of objects that have another label, or background, among their eight neighbours.

    One pixel wide along the background, two between touching objects: `skimage.segmentation.find_boundaries` with
    mode="inner", connectivity=2, but fast, because patches ask for it at every step.
    """
    found = np.zeros(labels.shape, bool)
    for one, other in _PAIRS:
        differs = labels[one] != labels[other]
        found[one] |= differs
        found[other] |= differs
    return found & (labels > 0)
