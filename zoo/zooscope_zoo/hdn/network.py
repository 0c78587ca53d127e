"""Ladder variational autoencoder of Hierarchical DivNoising (Prakash et al. 2022, arXiv:2104.01374).

The ladder is that of Sonderby et al. 2016 (arXiv:1602.02282): a way up through the image's features, and a way down on
which every level draws its latent variables given all levels above. Residual blocks without batch norm, whose last
convolution starts small, follow Child 2021 (arXiv:2011.10650), so that a network trains alike on batches of any size.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from zooscope_zoo.nn.gaussian_noise import GaussianNoise
from zooscope_zoo.nn.latents import Normal, divergence, normal, standard_normal
from zooscope_zoo.nn.noise_model import GaussianMixture


class GatedBlock(nn.Module):
    """x + value * sigmoid(gate), both of two 3x3 convolutions behind ELUs; (b, width, y, x) of any size."""

    def __init__(self, width: int, *, scale: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ELU(), nn.Conv2d(width, width, 3, padding=1), nn.ELU(), nn.Conv2d(width, 2 * width, 3, padding=1)
        )
        last: Any = self.body[-1]
        with torch.no_grad():
            last.weight *= scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        value, gate = self.body(x).chunk(2, dim=1)
        return x + value * torch.sigmoid(gate)


class Blocks(nn.Sequential):
    """So many gated blocks, one after the other."""

    def __init__(self, width: int, count: int, *, scale: float) -> None:
        super().__init__(*(GatedBlock(width, scale=scale) for _ in range(count)))


class Rung(nn.Module):
    """One level of the way down: its latent variables (b, latent, y, x), and what they add to the features.

    Parameters
    ----------
    top : there is nothing above, and the prior is one normal distribution for each channel, the same everywhere.
    """

    def __init__(self, width: int, latent: int, blocks: int, *, scale: float, top: bool) -> None:
        super().__init__()
        self.top = top
        if top:
            self.everywhere = nn.Parameter(torch.zeros(1, 2 * latent, 1, 1))
        else:
            self.prior_of = nn.Conv2d(width, 2 * latent, 3, padding=1)
        self.posterior_of = nn.Sequential(
            nn.Conv2d(width if top else 2 * width, width, 3, padding=1),
            nn.ELU(),
            nn.Conv2d(width, 2 * latent, 3, padding=1),
        )
        self.open = nn.Conv2d(latent, width, 1)
        self.blocks = Blocks(width, blocks, scale=scale)

    def prior(self, above: torch.Tensor, like: torch.Tensor) -> Normal:
        """Given the features from above, which the top rung does not look at; of the spatial size of `like`."""
        if self.top:
            return normal(self.everywhere.expand(like.shape[0], -1, like.shape[2], like.shape[3]))
        return normal(self.prior_of(above))

    def posterior(self, above: torch.Tensor, feature: torch.Tensor) -> Normal:
        """Given the image's features too."""
        return normal(self.posterior_of(feature if self.top else torch.cat([above, feature], dim=1)))

    def forward(self, above: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Features that know the level's latent variables."""
        opened = self.open(latents)
        return self.blocks(opened if self.top else above + opened)


class LadderVAE(nn.Module):
    """(b, channels, y, x) -> (b, channels, y, x), both normalised; y and x are multiples of 2**levels.

    `forward` decodes the means of all latent variables: one deterministic answer. Random ones come of `encode` and
    `sampled`.

    Parameters
    ----------
    levels : of latent variables; level 0 has half the image's size, each further one half of the one before.
    width : channels of all features.
    latent : channels of the latent variables of each level.
    blocks : residual blocks a level on either way.
    prior_levels : the lowest so many levels take their prior's mean (or are drawn from the prior) instead of looking at
        the image: structured noise that they hold is left out.
    noise : "gaussian", whose sigma is learned if `learned_sigma`, or "mixture" of `components` and `degree`, which
        `GaussianMixture` tells of; the loss alone asks for it.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        levels: int = 3,
        width: int = 32,
        latent: int = 16,
        blocks: int = 1,
        prior_levels: int = 0,
        noise: str = "gaussian",
        learned_sigma: bool = True,
        components: int = 3,
        degree: int = 2,
    ) -> None:
        super().__init__()
        self.levels, self.latent, self.prior_levels = levels, latent, prior_levels
        scale = (2 * levels * blocks) ** -0.5
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(width, width, 2, stride=2) for _ in range(levels))
        self.features = nn.ModuleList(Blocks(width, blocks, scale=scale) for _ in range(levels))
        self.rungs = nn.ModuleList(
            Rung(width, latent, blocks, scale=scale, top=level == levels - 1) for level in range(levels)
        )
        self.last = Blocks(width, 1, scale=scale)
        self.head = nn.Conv2d(width, channels, 1)
        self.steps: torch.Tensor
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.noise: GaussianNoise | GaussianMixture
        self.noise = (
            GaussianMixture(components, degree)
            if noise == "mixture"
            else GaussianNoise(channels, learned=learned_sigma)
        )

    def standard_noise(self, images: torch.Tensor, generator: torch.Generator | None = None) -> list[torch.Tensor]:
        """Standard normal noise for the latent variables of each level, level 0 first; (b, latent, y, x) each."""
        batch, _, height, width = images.shape
        return [
            standard_normal((batch, self.latent, height >> (level + 1), width >> (level + 1)), images.device, generator)
            for level in range(self.levels)
        ]

    def encode(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Features of each level (b, width, y, x), level 0 first: the way up, which all draws share."""
        x, found = self.stem(images), list[torch.Tensor]()
        for down, blocks in zip(self.down, self.features, strict=True):
            x = blocks(down(x))
            found.append(x)
        return found

    def sampled(
        self, features: Sequence[torch.Tensor], noise: Sequence[torch.Tensor], *, prior_levels: int = 0
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The signal (b, channels, y, x) of latent variables drawn by `noise`, and their divergences (b,) in nats.

        Levels below `prior_levels` are drawn from their prior; their divergence is zero.
        """
        above, divergences = features[-1], list[torch.Tensor]()
        for level in reversed(range(self.levels)):
            rung: Any = self.rungs[level]
            feature = features[level]
            prior = rung.prior(above, feature)
            posterior = prior if level < prior_levels else rung.posterior(above, feature)
            divergences.append(divergence(posterior, prior))
            above = _doubled(rung(above, posterior.drawn(noise[level])))
        return self.head(self.last(above)), divergences[::-1]

    def of_means(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """The signal of the latent variables' means, none of them the prior's; gradients stop at each mean."""
        above = features[-1]
        for level in reversed(range(self.levels)):
            rung: Any = self.rungs[level]
            above = _doubled(rung(above, rung.posterior(above, features[level]).mean.detach()))
        return self.head(self.last(above))

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """The signal of the latent variables' means."""
        features = self.encode(x)
        above = features[-1]
        for level in reversed(range(self.levels)):
            rung: Any = self.rungs[level]
            feature = features[level]
            seen = rung.prior(above, feature) if level < self.prior_levels else rung.posterior(above, feature)
            above = _doubled(rung(above, seen.mean))
        return self.head(self.last(above))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same: the restored image."""
        return self.logits(x)


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def ladder_field_px(*, levels: int, blocks: int, prior_levels: int = 0) -> int:
    """Edge of the square of input pixels that can reach one output pixel, of whichever place in the coarsest pixel."""
    wide = 2 * blocks

    def up(level: int, low: int, high: int) -> tuple[int, int]:
        """Through the features of a level, in pixels of that level, to the image."""
        low, high = 2 * (low - wide), 2 * (high + wide) + 1
        return up(level - 1, low, high) if level else (low - 1, high + 1)

    def down(level: int, low: int, high: int) -> tuple[int, int]:
        """Through the way down, from a level's answer on."""
        low, high = low - wide, high + wide
        by_prior, top = level < prior_levels, level == levels - 1
        reach = 1 if by_prior else 2
        low, high = low - reach, high + reach
        found = [] if by_prior else [up(level, low, high)]
        found += [] if top else [down(level + 1, low // 2, high // 2)]
        return min(part[0] for part in found), max(part[1] for part in found)

    reach = 0
    for place in range(2**levels):
        low, high = down(0, (place - 2) // 2, (place + 2) // 2)
        reach = max(reach, place - low, high - place)
    return 1 + 2 * reach
