"""Distance to the outline, relative to each object's own size: the landscape that a watershed floods."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def relative_distance(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Euclidean distance of each object's pixels to what is not the object, divided by the object's largest.

    A nucleus of 10 px and one of 50 px have the same middle, 1, so that one threshold finds the seeds of both. The
    border of the image is no outline: what it cuts goes on behind it.

    Parameters
    ----------
    labels : (y, x), 0 is background.

    Returns
    -------
    (y, x), from 0 (background) to 1.
    """
    relative = np.zeros(labels.shape, np.float32)
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        window = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in box)
        inside = labels[window] == label
        if inside.all():  # it fills the image
            relative[window] = 1
            continue
        distance = np.asarray(ndimage.distance_transform_edt(inside), np.float32)
        relative[window][inside] = (distance / distance.max())[inside]
    return relative
