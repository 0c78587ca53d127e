"""Gain and read noise of a camera, by the line of the noise's variance over the signal (photon transfer)."""

from dataclasses import dataclass

import numpy as np

from zooscope_zoo.noise_models.fit import Pixels, flat_pixels

Interval = tuple[float, float]


@dataclass(frozen=True)
class CameraNoise:
    """variance = gain * signal + read_noise**2, with 95 % intervals.

    Attributes
    ----------
    gain : intensity units a photoelectron. read_noise : standard deviation where the signal is zero, intensity units;
        that of reading out alone if the camera's offset was subtracted.
    """

    gain: float
    gain_interval: Interval
    read_noise: float
    read_noise_interval: Interval

    def variance(self, signal: Pixels) -> Pixels:
        """Of the observed values."""
        return self.gain * signal + self.read_noise**2


def camera_noise(observed: Pixels, signal: Pixels) -> CameraNoise:
    """Weighted least squares of the squared differences over the signal; weights are 1 / variance^2.

    Intervals are from the squared residuals themselves (White 1980, doi:10.2307/1912934), so they hold for noise of
    any shape; pixels are taken as independent. DataError where nothing can be learned of the pixels.
    """
    x, s = flat_pixels(observed, signal)
    squares = (x - s) ** 2
    design = np.stack([s, np.ones_like(s)], axis=1)
    weights = np.ones_like(s)
    line = np.zeros(2)
    for _ in range(5):
        line = np.linalg.solve(design.T @ (design * weights[:, None]), design.T @ (weights * squares))
        weights = 1 / np.maximum(design @ line, 1e-3 * squares.mean()) ** 2
    inverse = np.linalg.inv(design.T @ (design * weights[:, None]))
    scores = design * (weights * (squares - design @ line))[:, None]
    gain_error, variance_error = 1.96 * np.sqrt(np.diag(inverse @ (scores.T @ scores) @ inverse))
    gain, variance = float(line[0]), float(line[1])
    low, middle, high = (float(np.sqrt(max(value, 0))) for value in variance + variance_error * np.array([-1, 0, 1]))
    return CameraNoise(gain, (gain - float(gain_error), gain + float(gain_error)), middle, (low, high))
