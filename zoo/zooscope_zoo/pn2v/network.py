"""The network of Probabilistic Noise2Void: samples of each pixel's signal, weighed by what was observed there."""

from typing import Any

import torch
from torch import nn

from zooscope_zoo.nn.denoiser import Denoiser
from zooscope_zoo.nn.noise_model import GaussianMixture

SPREAD = 0.5
"""Deviation of the samples at first, in that of the images."""


class SampledDenoiser(Denoiser):
    """(b, channels, y, x) -> (b, 2 * channels, y, x), all normalised; y and x are multiples of 2**depth.

    First comes the minimum mean squared error estimate: the mean of the samples, each weighed by the likelihood of
    the observed pixel given it. After it comes the prior mean, which does not look at the pixel's own noise model.
    Krull et al. 2020, arXiv:1906.00651, equations 6 and 8.

    Parameters
    ----------
    samples : of each pixel's signal.
    components, degree : of the noise models, one a channel, which are of normalised values.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        width: int = 32,
        depth: int = 2,
        kernel: int = 3,
        norm: bool = False,
        samples: int = 100,
        components: int = 3,
        degree: int = 2,
    ) -> None:
        super().__init__(channels=channels, width=width, depth=depth, kernel=kernel, norm=norm, residual=False)
        self.samples = samples
        self.head = nn.Conv2d(width, channels * samples, 1)
        apart = torch.special.ndtri((torch.arange(samples) + 0.5) / samples)
        bias: Any = self.head.bias
        with torch.no_grad():  # samples far from all observed values get no gradient: at first some lie near each
            bias.copy_(SPREAD * apart.repeat(channels))
        self.noise = nn.ModuleList(GaussianMixture(components, degree) for _ in range(channels))

    def log_likelihood(self, observed: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
        """Of observed values (b, channels, ...) given signals (b, channels * any, ...), in the signals' shape."""
        parts = zip(self.noise, observed.chunk(self.channels, dim=1), samples.chunk(self.channels, dim=1), strict=True)
        return torch.cat([model.log_likelihood(value, found) for model, value, found in parts], dim=1)  # pyright: ignore

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The MMSE estimate of each channel, then the prior mean of each."""
        samples = self.logits(x)
        log_likelihood = self.log_likelihood(x, samples)
        shape = (x.shape[0], self.channels, self.samples, x.shape[2], x.shape[3])
        samples = samples.reshape(shape)
        weights = torch.softmax(log_likelihood.reshape(shape), dim=2)
        return torch.cat([(weights * samples).sum(2), samples.mean(2)], dim=1)
