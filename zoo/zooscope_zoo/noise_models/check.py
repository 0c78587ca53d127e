"""What a noise model must be: a distribution at every signal, centred on it, for the signals that it is asked about."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zooscope.errors import DataError
from zooscope_zoo.nn.noise_histogram import Histogram
from zooscope_zoo.noise_models.files import NoiseModel
from zooscope_zoo.noise_models.fit import Pixels, flat_pixels

MOST_MASS_MISSING = 1e-3
MOST_BIAS = 0.1
"""Of the mean from the signal, in standard deviations of the noise."""

MOST_OUTSIDE = 0.01


@dataclass(frozen=True)
class Check:
    """Of a model, at 33 signals of its range.

    Attributes
    ----------
    mass_missing : largest difference of its integral from one.
    bias : largest difference of its mean from the signal, in standard deviations.
    """

    mass_missing: float
    bias: float

    @property
    def passed(self) -> bool:
        """Whether both are as small as they should be."""
        return self.mass_missing <= MOST_MASS_MISSING and self.bias <= MOST_BIAS


@dataclass(frozen=True)
class HeldOut:
    """Of a model on pixels that it was not fitted to.

    Attributes
    ----------
    log_likelihood : mean a pixel, natural logarithm of the density in intensity units. error : its standard error.
    """

    log_likelihood: float
    error: float
    pixels: int


def check_model(model: NoiseModel) -> Check:
    """Integrate it over the observed values."""
    signal = torch.linspace(float(model.low), float(model.high), 33)
    values, density, step = densities(model, signal)
    mass = density.sum(1) * step
    bias = ((density * values).sum(1) * step / mass - signal).abs() / model.variance(signal).sqrt()
    return Check(float((mass - 1).abs().max()), float(bias.max()))


def densities(model: NoiseModel, signal: Tensor) -> tuple[Tensor, Tensor, float]:
    """Observed values (n,), their densities (signals, n), and the step between the values.

    The values are the middles of a histogram's bins; of a mixture they reach eight deviations beyond its range.
    """
    if isinstance(model, Histogram):
        count = model.log_density.shape[1]
        step = float(model.most - model.least) / count
        values = float(model.least) + step * (torch.arange(count) + 0.5)
    else:
        reach = 8 * float(model.variance(torch.stack([model.low, model.high])).max().sqrt())
        values = torch.linspace(float(model.low) - reach, float(model.high) + reach, 20001)
        step = float(values[1] - values[0])
    return values, torch.stack([model.log_likelihood(values, value).exp() for value in signal]), step


def held_out(model: NoiseModel, observed: Pixels, signal: Pixels) -> HeldOut:
    """The log-likelihood of pixels; DataError where more than a hundredth lies outside the model's range."""
    x, s = flat_pixels(observed, signal)
    refuse_outside(model, s)
    found = model.log_likelihood(torch.from_numpy(x).float(), torch.from_numpy(s).float()).double()
    return HeldOut(float(found.mean()), float(found.std()) / math.sqrt(x.size), x.size)


def refuse_outside(
    model: NoiseModel, signal: NDArray[np.floating], *, averaged: int = 1, source: str = "the signals"
) -> None:
    """DataError where more than a hundredth of the signals lies outside the range that the model is valid in.

    Parameters
    ----------
    averaged : pixels that each signal is the mean of, where it is estimated so: three standard errors more are allowed.
    """
    ends = torch.stack([model.low, model.high])
    margin = 3 * model.variance(ends).sqrt() / math.sqrt(averaged) if averaged > 1 else 1e-6 * (ends[1] - ends[0])
    low, high = (ends + torch.tensor([-1.0, 1.0]) * margin).tolist()
    share = float(((signal < low) | (signal > high)).mean())
    if share > MOST_OUTSIDE:
        raise DataError(
            f"{share:.0%} of {source} lie outside {ends[0]:g} to {ends[1]:g}, where the noise model is valid (they are "
            f"{np.min(signal):g} to {np.max(signal):g}); fit one to images as bright and as dark as these"
        )
