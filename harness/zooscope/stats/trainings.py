"""Trainings: how much a score owes to the seed, told apart from how much it owes to the test images."""

from dataclasses import dataclass

import numpy as np

from zooscope.stats.estimate import Estimate


@dataclass(frozen=True)
class Trainings:
    """Several trainings of one method, scored on the same images: two uncertainties that are never added up.

    Attributes
    ----------
    mean : the mean score of these very trainings; its interval tells what other groups of images would have done.
    scores : of each training.
    """

    mean: Estimate
    scores: tuple[float, ...]

    @property
    def spread(self) -> float | None:
        """Standard deviation of the scores over the trainings (n - 1), on these very images; None for one training."""
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else None
