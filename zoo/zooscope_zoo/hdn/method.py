"""Hierarchical DivNoising as a method: settings, free bits."""

from collections.abc import Sequence
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from zooscope_zoo.hdn.network import LadderVAE, ladder_field_px
from zooscope_zoo.method import RestorationMethod
from zooscope_zoo.variational import OF_THE_LOSS, Variational, VariationalConfig


class HDNConfig(VariationalConfig):
    """Keyword arguments of `LadderVAE`, and of the loss.

    Attributes
    ----------
    prior_levels : nothing of the training; packages and previews of the run leave out the structured noise that so many
        of the lowest levels hold.
    free_bits : nats of a level in a whole patch, below which its divergence costs nothing more (Kingma et al. 2016,
        arXiv:1606.04934): it keeps levels from falling asleep.
    """

    levels: int = Field(default=3, ge=1, le=7)
    width: int = Field(default=32, ge=4)
    latent: int = Field(default=16, ge=1)
    blocks: int = Field(default=1, ge=1, le=8)
    prior_levels: int = Field(default=0, ge=0)
    free_bits: float = Field(default=1.0, ge=0)

    @model_validator(mode="after")
    def _sees_the_image(self) -> Self:
        if self.prior_levels >= self.levels:
            raise ValueError(f"prior_levels={self.prior_levels} leaves none of {self.levels} levels to see the image")
        return self


class HDN(Variational[HDNConfig]):
    """Learns a distribution of clean images from noisy ones alone.

    Prakash et al. 2022, arXiv:2104.01374.
    """

    id = "hdn"
    config = HDNConfig
    architecture = (
        "zooscope_zoo.nn.latents",
        "zooscope_zoo.nn.gaussian_noise",
        "zooscope_zoo.nn.noise_model",
        "zooscope_zoo.hdn.network",
    )
    purpose = "noise, also structured one, from noisy images alone; draws the clean images that they may be of"
    small = ("network.levels=2", "network.width=16", "network.latent=8", "training.steps=200")

    def network(self, config: HDNConfig) -> nn.Module:
        """A new network."""
        settings = config.model_dump(exclude={*OF_THE_LOSS, "free_bits"})
        return LadderVAE(**settings, learned_sigma=config.learned_sigma)

    def multiple_px(self, config: HDNConfig) -> int:
        """Two for each level."""
        return 2**config.levels

    def field_px(self, config: HDNConfig) -> int:
        """The ladder's."""
        return ladder_field_px(levels=config.levels, blocks=config.blocks, prior_levels=config.prior_levels)

    def divergence(self, divergences: Sequence[Tensor], config: HDNConfig) -> Tensor:
        """No level costs less than its free bits."""
        return torch.stack([level.mean().clamp(min=config.free_bits) for level in divergences]).sum()


METHOD: RestorationMethod = HDN()
