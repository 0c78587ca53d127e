"""Mean and deviation of draws that come one after another, none of which is kept."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Moments:
    """Of arrays of one shape, accumulated in float64 (Welford 1962, doi:10.1080/00401706.1962.10490022)."""

    count: int = 0
    mean: Any = 0.0
    _squares: Any = 0.0

    def add(self, draw: NDArray[np.generic]) -> None:
        """One more."""
        self.count += 1
        away = draw.astype(np.float64) - self.mean
        self.mean = self.mean + away / self.count
        self._squares = self._squares + away * (draw - self.mean)

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Sample standard deviation, with count - 1; zero of a single draw."""
        return np.sqrt(self._squares / max(self.count - 1, 1))
