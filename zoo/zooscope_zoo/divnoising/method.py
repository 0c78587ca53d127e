"""DivNoising as a method: settings."""

from collections.abc import Mapping, Sequence

from pydantic import Field
from torch import Tensor, nn

from zooscope_zoo.divnoising.network import PERIOD, VAE, vae_field_px
from zooscope_zoo.method import RestorationMethod
from zooscope_zoo.variational import OF_THE_LOSS, Variational, VariationalConfig, collapse


class DivNoisingConfig(VariationalConfig):
    """Keyword arguments of `VAE`.

    Attributes
    ----------
    learn_sigma : off, since the published method takes the noise as known; a learned deviation also holds what of the
        image the latent variables do not say yet.
    draws : nothing of the training; packages of the run give so many fixed draws beside the image.
    """

    learn_sigma: bool = False
    width: int = Field(default=32, ge=4)
    depth: int = Field(default=2, ge=1, le=5)
    latent: int = Field(default=64, ge=1)
    draws: int = Field(default=0, ge=0, le=32)


class DivNoising(Variational[DivNoisingConfig]):
    """Learns a distribution of clean images from noisy ones alone.

    Prakash et al. 2021, arXiv:2006.06072.
    """

    id = "divnoising"
    config = DivNoisingConfig
    architecture = (
        "zooscope_zoo.nn.latents",
        "zooscope_zoo.nn.gaussian_noise",
        "zooscope_zoo.nn.noise_model",
        "zooscope_zoo.divnoising.network",
    )
    purpose = "noise that differs from pixel to pixel, from noisy images alone; draws the clean images they may be of"
    small = (
        *("network.width=8", "network.depth=1", "network.latent=8", "network.anneal_steps=100"),
        *("training.steps=300", "training.learning_rate=3e-3"),
    )

    def network(self, config: DivNoisingConfig) -> nn.Module:
        """A new network."""
        return VAE(**config.model_dump(exclude=OF_THE_LOSS), learned_sigma=config.learned_sigma)

    def multiple_px(self, config: DivNoisingConfig) -> int:
        """Two for each pooling, times the period of fixed draws."""
        return 2**config.depth * (PERIOD if config.draws else 1)

    def field_px(self, config: DivNoisingConfig) -> int:
        """The autoencoder's."""
        return vae_field_px(depth=config.depth)

    def map_names(self, config: DivNoisingConfig) -> tuple[str, ...]:
        """The image's channels, then those of each fixed draw."""
        names = super().map_names(config)
        return (*names, *(f"draw_{k}_{name}" for k in range(1, config.draws + 1) for name in names))

    def intensities(self, config: DivNoisingConfig) -> int:
        """All of them."""
        return config.channels * (1 + config.draws)

    def further_maps(self, config: DivNoisingConfig) -> str:
        """The fixed draws."""
        return (
            "images that the noisy one may be of, in the same units, drawn with fixed noise that repeats every "
            f"{PERIOD * 2**config.depth} px: the same image always gives the same ones"
        )

    def divergence(self, divergences: Sequence[Tensor], config: DivNoisingConfig) -> Tensor:
        """As it is."""
        return divergences[0].mean()

    def lost(self, losses: Mapping[str, float]) -> str:
        """Whether the posterior collapsed, from which a training hardly ever returns."""
        return collapse(losses)


METHOD: RestorationMethod = DivNoising()
