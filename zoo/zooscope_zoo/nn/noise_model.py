"""Noise model: the probability of a pixel's observed value given its signal, as a mixture of Gaussians.

After Prakash et al. 2020 (arXiv:1911.12291): weights, means and deviations of the Gaussians are polynomials of the
signal.
"""

import math

import torch
from torch import nn


class GaussianMixture(nn.Module):
    """p(observed | signal) = sum_k w_k(signal) N(observed; signal + o_k(signal), v_k(signal)).

    Weights are the softmax of polynomials; offsets and variances are polynomials, and the mean of the offsets is taken
    away, so that the mean of the observed values is the signal. All are buffers: a network that holds a noise model
    does not train it, and takes it along in its state dict. A new one is the standard normal distribution.

    Parameters
    ----------
    components : number of Gaussians.
    degree : of the polynomials.

    Attributes
    ----------
    low, high : () the range of the signal in which it is valid; outside, the distribution around the signal is that of
        the range's end. scale : () the unit of offsets and (squared) of variances. All in the images' intensity units.
    weights, offsets, variances : (components, degree + 1) coefficients, constant first, of polynomials of
        (signal - low) / (high - low).
    """

    MIN_VARIANCE = 1e-4
    """In units of scale squared."""

    low: torch.Tensor
    high: torch.Tensor
    scale: torch.Tensor
    weights: torch.Tensor
    offsets: torch.Tensor
    variances: torch.Tensor

    def __init__(self, components: int, degree: int = 2) -> None:
        super().__init__()
        self.components, self.degree = components, degree
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.ones(()))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("weights", torch.zeros(components, degree + 1))
        self.register_buffer("offsets", torch.zeros(components, degree + 1))
        self.register_buffer("variances", torch.eye(1, degree + 1).repeat(components, 1))

    def log_likelihood(self, observed: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
        """Natural logarithm of the density at `observed`; the two are of shapes that broadcast, in intensity units."""
        signal = signal.reshape(*[1] * (observed.dim() - signal.dim()), *signal.shape)
        log_weights, offsets, variances = self._parts(signal)
        away = observed - signal - offsets
        return torch.logsumexp(log_weights - 0.5 * (away**2 / variances + torch.log(2 * math.pi * variances)), dim=0)

    def parts(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Weights, means and standard deviations (components, *signal.shape) of the Gaussians."""
        log_weights, offsets, variances = self._parts(signal)
        return log_weights.exp(), signal + offsets, variances.sqrt()

    def variance(self, signal: torch.Tensor) -> torch.Tensor:
        """Of the observed values, in squared intensity units."""
        log_weights, offsets, variances = self._parts(signal)
        return (log_weights.exp() * (variances + offsets**2)).sum(0)

    def rescaled(self, *, zero: float, unit: float) -> "GaussianMixture":
        """The model of (values - zero) / unit, as networks see the images; its densities are `unit` times as high."""
        model = GaussianMixture(self.components, self.degree).to(self.low)
        model.load_state_dict(self.state_dict())
        model.low, model.high = (self.low - zero) / unit, (self.high - zero) / unit
        model.scale = self.scale / unit
        return model

    def _parts(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Log-weights, offsets and variances (components, *signal.shape)."""
        inside = ((signal - self.low) / (self.high - self.low)).clamp(0, 1)
        log_weights = torch.log_softmax(_polynomial(self.weights, inside), dim=0)
        offsets = _polynomial(self.offsets, inside)
        offsets = offsets - (log_weights.exp() * offsets).sum(0)
        variances = _polynomial(self.variances, inside).clamp(min=self.MIN_VARIANCE)
        return log_weights, offsets * self.scale, variances * self.scale**2


def _polynomial(coefficients: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """(k, degree + 1) and x of any shape -> (k, *x.shape), by Horner's rule."""
    shape = (-1, *[1] * x.dim())
    value = coefficients[:, -1].reshape(shape) + torch.zeros_like(x)
    for power in range(coefficients.shape[1] - 2, -1, -1):
        value = value * x + coefficients[:, power].reshape(shape)
    return value
