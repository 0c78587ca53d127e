"""Fully convolutional variational autoencoder of DivNoising (Prakash et al. 2021, arXiv:2006.06072)."""

import itertools
from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from zooscope_zoo.nn.gaussian_noise import GaussianNoise
from zooscope_zoo.nn.latents import Normal, divergence, normal, standard_normal
from zooscope_zoo.nn.noise_model import GaussianMixture

SLOPE = 0.1
"""Of leaky ReLUs below zero."""

PERIOD = 8
"""Of the fixed draws' noise, in latent variables."""


class Pair(nn.Sequential):
    """Two 3x3 convolutions with leaky ReLU; (b, inputs, y, x) -> (b, width, y, x).

    Plain ReLU, as published, died in the decoder at high learning rates, which then gives the same whatever is drawn.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(
            *(nn.Conv2d(inputs, width, 3, padding=1), nn.LeakyReLU(SLOPE)),
            *(nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(SLOPE)),
        )


class VAE(nn.Module):
    """(b, channels, y, x) -> (b, (1 + draws) channels, y, x), all normalised; y and x are multiples of 2**depth, with
    fixed draws of 8 * 2**depth.

    `forward` decodes the means of the latent variables: one deterministic answer. Random ones come of `encode` and
    `sampled`. The fixed draws that may follow are deterministic too: each has its own noise, which repeats every 8
    latent variables along y and x, so that tiles that begin at such places fit together.

    Parameters
    ----------
    width : channels at full size; each of `depth` poolings doubles them.
    latent : channels of the latent variables, which have the image's size over 2**depth.
    draws : fixed draws that follow the image.
    noise : "gaussian", whose sigma is learned if `learned_sigma`, or "mixture" of `components` and `degree`, which
        `GaussianMixture` tells of; the loss alone asks for it.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        width: int = 32,
        depth: int = 2,
        latent: int = 64,
        draws: int = 0,
        noise: str = "gaussian",
        learned_sigma: bool = True,
        components: int = 3,
        degree: int = 2,
    ) -> None:
        super().__init__()
        self.depth, self.latent, self.draws = depth, latent, draws
        widths = [width * 2**level for level in range(depth)]
        self.encoder = nn.ModuleList(Pair(inputs, now) for inputs, now in itertools.pairwise([channels, *widths]))
        self.posterior_of = nn.Conv2d(widths[-1], 2 * latent, 3, padding=1)
        ways = [latent, *widths[::-1]]
        self.decoder = nn.ModuleList(Pair(inputs, now) for inputs, now in itertools.pairwise(ways))
        self.last = Pair(width, width)
        self.head = nn.Conv2d(width, channels, 1)
        self._begin()
        self.pattern: torch.Tensor
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("pattern", torch.randn((draws, latent, PERIOD, PERIOD), generator=generator))
        self.steps: torch.Tensor
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.noise: GaussianNoise | GaussianMixture
        self.noise = (
            GaussianMixture(components, degree)
            if noise == "mixture"
            else GaussianNoise(channels, learned=learned_sigma)
        )

    def _begin(self) -> None:
        """Weights that keep the variance from layer to layer (He et al. 2015, arXiv:1502.01852), and low log-variances.

        Then the latent variables' means stand out of their noise at once, and the decoder shows what they say. Of
        torch's own weights each layer loses five sixths of the variance, and a dozen layers nearly all of the image.
        """
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=SLOPE)
                nn.init.zeros_(cast("torch.Tensor", layer.bias))
        with torch.no_grad():
            cast("torch.Tensor", self.posterior_of.bias)[self.latent :] = -3

    def standard_noise(self, images: torch.Tensor, generator: torch.Generator | None = None) -> list[torch.Tensor]:
        """Standard normal noise for the latent variables: one tensor (b, latent, y, x)."""
        batch, _, height, width = images.shape
        shape = (batch, self.latent, height >> self.depth, width >> self.depth)
        return [standard_normal(shape, images.device, generator)]

    def encode(self, images: torch.Tensor) -> Normal:
        """The latent variables' distribution, which all draws share."""
        x = images
        for block in self.encoder:
            x = nn.functional.max_pool2d(block(x), 2)
        return normal(self.posterior_of(x))

    def sampled(self, posterior: Normal, noise: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The signal (b, channels, y, x) of latent variables drawn by `noise`, and their divergence (b,) in nats."""
        prior = Normal(torch.zeros_like(posterior.mean), torch.zeros_like(posterior.mean))
        return self._decoded(posterior.drawn(noise[0])), [divergence(posterior, prior)]

    def of_means(self, posterior: Normal) -> torch.Tensor:
        """The signal of the latent variables' means; gradients stop at them."""
        return self._decoded(posterior.mean.detach())

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """The signal of the latent variables' means."""
        return self._decoded(self.encode(x).mean)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The restored image, and the fixed draws where there are any."""
        posterior = self.encode(x)
        height, width = posterior.mean.shape[2] // PERIOD, posterior.mean.shape[3] // PERIOD
        latents = [posterior.mean]
        for k in range(self.draws):
            latents.append(posterior.drawn(self.pattern[k].repeat(1, height, width)))
        return torch.cat([self._decoded(z) for z in latents], dim=1)

    def _decoded(self, z: torch.Tensor) -> torch.Tensor:
        for block in self.decoder:
            z = nn.functional.interpolate(block(z), scale_factor=2.0, mode="nearest")
        return self.head(self.last(z))


def vae_field_px(*, depth: int) -> int:
    """Edge of the square of input pixels that can reach one output pixel, of whichever place in the coarsest pixel."""
    reach = 0
    for place in range(2**depth):
        low, high = place - 2, place + 2
        for _ in range(depth):
            low, high = low // 2 - 2, high // 2 + 2
        low, high = low - 1, high + 1
        for _ in range(depth):
            low, high = 2 * low - 2, 2 * high + 1 + 2
        reach = max(reach, place - low, high - place)
    return 1 + 2 * reach
