"""Gaussian noise of one deviation: what stands in for a noise model where there is none."""

import math

import torch
from torch import nn


class GaussianNoise(nn.Module):
    """p(observed | signal) = N(observed; signal, sigma^2), a sigma for each channel, in the units of both.

    Parameters
    ----------
    learned : sigma is trained with the network (Rybkin et al. 2021, arXiv:2006.13202); else it stays.
    sigma : at first.
    """

    def __init__(self, channels: int, *, learned: bool, sigma: float = 0.3) -> None:
        super().__init__()
        start = torch.full((channels, 1, 1), math.log(sigma))
        self.log_sigma = nn.Parameter(start, requires_grad=learned)

    def log_likelihood(self, observed: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
        """Natural logarithm of the density at `observed` (b, c, y, x), of the same shape."""
        away = (observed - signal) * torch.exp(-self.log_sigma)
        return -0.5 * away**2 - self.log_sigma - 0.5 * math.log(2 * math.pi)
