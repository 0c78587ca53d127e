"""Normal distributions of latent variables: from a network's features, drawn from, compared."""

from typing import NamedTuple

import torch

LARGEST_LOG_VARIANCE = 8.0


class Normal(NamedTuple):
    """Independent normal distributions; mean and log_variance are (b, z, y, x) each."""

    mean: torch.Tensor
    log_variance: torch.Tensor

    def drawn(self, noise: torch.Tensor) -> torch.Tensor:
        """The value that standard normal noise (b, z, y, x) leads to (Kingma and Welling 2014, arXiv:1312.6114)."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise


def normal(features: torch.Tensor) -> Normal:
    """Of features (b, 2 z, y, x): means first, then log-variances, which are bent to stay within +-8."""
    mean, raw = features.chunk(2, dim=1)
    return Normal(mean, LARGEST_LOG_VARIANCE * torch.tanh(raw / LARGEST_LOG_VARIANCE))


def standard_normal(
    shape: tuple[int, ...], device: torch.device, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Noise on a device, drawn where the generator is, so that one of the CPU gives the same for every device."""
    if generator is None:
        return torch.randn(shape, device=device)
    return torch.randn(shape, generator=generator, device=generator.device).to(device)


def divergence(posterior: Normal, prior: Normal) -> torch.Tensor:
    """Kullback-Leibler divergence KL(posterior || prior) of each image (b,) in nats, summed over z, y and x.

    In float32 also where the distributions come from half-precision layers.
    """
    mean, log_variance = posterior.mean.float(), posterior.log_variance.float()
    prior_mean, prior_log_variance = prior.mean.float(), prior.log_variance.float()
    away = (mean - prior_mean) ** 2 + torch.exp(log_variance)
    return 0.5 * (prior_log_variance - log_variance + away * torch.exp(-prior_log_variance) - 1).sum(dim=(1, 2, 3))
