"""Normalisation by each image's own percentiles, as the spec's `scale_range` has it; a package's decoder undoes it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooscope_zoo.training.normalisation import Normalisation

DECODER = "denormalise"
"""Id of what undoes it: no operation of the spec could, for none knows the image that the maps are of."""

EPS = 1e-6
"""What `scale_range` adds to the distance of the percentiles."""


@dataclass(frozen=True)
class OwnPercentiles:
    """Each channel is scaled so that two of its percentiles become 0 and 1; targets by those of their noisy image.

    The defaults are those that CARE (doi:10.1038/s41592-018-0216-7) is customarily trained with.
    """

    low: float = 3.0
    high: float = 99.8

    def of(self, image: NDArray[np.float32]) -> Normalisation:
        """The scaling of a whole image (c, y, x), or volume (c, z, y, x), of its patches and of their targets."""
        low, high = np.percentile(image, (self.low, self.high), axis=tuple(range(1, image.ndim))).tolist()
        scale = tuple(above - below + EPS for below, above in zip(low, high, strict=True))
        return Normalisation(tuple(low), scale, tuple(low), scale)

    def as_json(self) -> dict[str, list[float]]:
        """For a run's `about.json`."""
        return {"percentiles": [self.low, self.high]}


AnyNormalisation = Normalisation | OwnPercentiles
