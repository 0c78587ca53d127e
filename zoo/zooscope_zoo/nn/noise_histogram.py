"""Noise model: the probability of a pixel's observed value given its signal, as it was counted (Krull et al. 2020)."""

import torch
from torch import nn


class Histogram(nn.Module):
    """p(observed | signal), one histogram of observed values for each bin of the signal.

    Linear in the signal between the middles of its bins, so that there is a gradient; constant within a bin of the
    observed values, and beyond them that of the outermost bin. Krull et al. 2020, arXiv:1906.00651, section 3.4.

    Attributes
    ----------
    low, high : () the range of the signal. least, most : () that of the observed values. In intensity units.
    log_density : (signal_bins, observed_bins), natural logarithms.
    """

    low: torch.Tensor
    high: torch.Tensor
    least: torch.Tensor
    most: torch.Tensor
    log_density: torch.Tensor

    def __init__(self, signal_bins: int, observed_bins: int) -> None:
        super().__init__()
        for name, value in (("low", 0.0), ("high", 1.0), ("least", 0.0), ("most", 1.0)):
            self.register_buffer(name, torch.tensor(value))
        self.register_buffer("log_density", torch.zeros(signal_bins, observed_bins))

    def log_likelihood(self, observed: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
        """Natural logarithm of the density at `observed`; the two are of shapes that broadcast, in intensity units."""
        observed, signal = torch.broadcast_tensors(observed, signal)
        rows, columns = self.log_density.shape
        at = (signal - self.low) / (self.high - self.low) * rows - 0.5
        at = at.clamp(0, rows - 1)
        below = at.detach().floor().long().clamp(max=rows - 2)
        column = ((observed - self.least) / (self.most - self.least) * columns).long().clamp(0, columns - 1)
        part = at - below
        density = (1 - part) * self.log_density[below, column].exp() + part * self.log_density[below + 1, column].exp()
        return torch.log(density)

    def variance(self, signal: torch.Tensor) -> torch.Tensor:
        """Of the observed values, in squared intensity units."""
        width = (self.most - self.least) / self.log_density.shape[1]
        middles = self.least + width * (torch.arange(self.log_density.shape[1], device=width.device) + 0.5)
        density = self.log_likelihood(middles, signal[..., None]).exp() * width
        mean = (density * middles).sum(-1)
        return (density * middles**2).sum(-1) - mean**2
