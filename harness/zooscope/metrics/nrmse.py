"""NRMSE: root mean square error over a size of the truth, which the name tells."""

import math
from collections.abc import Iterator

import numpy as np

from zooscope.metrics.image_pair import ImagePair
from zooscope.metrics.metric import Metric, mean_of_images


def measure(pair: ImagePair) -> dict[str, float]:
    """NRMSE of one image; NaN where the truth is constant (`range-gt`) or zero everywhere (`euclidean`)."""
    error, size = math.sqrt(pair.mean_square), math.sqrt(float(np.mean(np.square(pair.truth))))
    return {
        "nrmse.range-gt": error / pair.ranges["range-gt"],
        "nrmse.euclidean": error / size if size > 0 else math.nan,
    }


def metrics() -> Iterator[Metric]:
    """All of this family; lower is better."""
    what = "root of mean (prediction - truth)^2 / (max - min of the truth); left out where the truth is constant"
    yield mean_of_images("nrmse.range-gt", "NRMSE, range of the truth", what, higher_is_better=False)
    what = "root of mean (prediction - truth)^2 / root of mean truth^2; left out where the truth is zero"
    yield mean_of_images("nrmse.euclidean", "NRMSE, size of the truth", what, higher_is_better=False)
