"""Which class was given to each object that was found, beside its true one."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from zooscope.metrics.overlap import Overlap


def matched_classes(
    prediction: NDArray[np.integer], given: Sequence[str], truth: NDArray[np.integer], classes: Mapping[int, str]
) -> Iterator[tuple[str, str]]:
    """(true class, given class) of each predicted object whose IoU with a true one of a known class is above 0.5.

    Above that a match is unique. How many objects are missed or false stands in the other scores.

    Parameters
    ----------
    prediction, truth : label images (y, x).
    given : of the predicted objects, in the order of their labels.
    classes : of the true objects by their labels; those that are not in it are left out.
    """
    overlap = Overlap.of(prediction, truth)
    labels = np.unique(truth[truth > 0])
    for pair in np.flatnonzero(overlap.iou > 0.5):
        true = classes.get(int(labels[overlap.truth[pair]]))
        if true is not None:
            yield true, given[int(overlap.predicted[pair])]
