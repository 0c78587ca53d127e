"""Blur by a known point spread function, applied to clean images: the same numbers everywhere.

The function and the blurred image are rounded, so that no last bit of a processor's exponential or of a sum shows.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from zooscope.data.noise import STEP

REACH = 4
"""The function ends at so many deviations; beyond lie 6e-5 of a line's light."""


class GaussianBlur(BaseModel):
    """A Gaussian point spread function, as a wide-field microscope has in focus, doi:10.1364/AO.46.001819."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["gaussian"]
    sigma_px: float = Field(gt=0)

    def line(self) -> NDArray[np.float64]:
        """The function along one axis, (2 * radius + 1,), with a sum of 1; whole multiples of 2^-30."""
        radius = int(np.ceil(REACH * self.sigma_px))
        values = np.exp(-0.5 * (np.arange(-radius, radius + 1) / self.sigma_px) ** 2)
        line = np.round(values / values.sum() * 2**30) / 2**30
        line[radius] += 1 - line.sum()
        return line

    def psf(self) -> NDArray[np.float64]:
        """The function, (y, x), of odd sizes, with a sum of 1: what a method that is told the blur is given."""
        return np.outer(self.line(), self.line())


def blurred(clean: NDArray[np.generic], blur: GaussianBlur) -> NDArray[np.float64]:
    """An image convolved with the point spread function; beyond the border the image is mirrored.

    Parameters
    ----------
    clean : (y, x).

    Returns
    -------
    (y, x), rounded to 1/256 of a grey level.
    """
    line, image = blur.line(), clean.astype(np.float64)
    for axis in (0, 1):
        edges = [(0, 0), (0, 0)]
        edges[axis] = (len(line) // 2, len(line) // 2)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, edges, mode="symmetric"), len(line), axis=axis)
        image = sum((weight * windows[..., shift] for shift, weight in enumerate(line)), start=np.zeros(image.shape))
    return np.round(image / STEP) * STEP
