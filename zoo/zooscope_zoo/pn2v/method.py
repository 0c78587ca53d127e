"""Probabilistic Noise2Void as a method: settings, loss, noise model."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from zooscope.data import Dataset
from zooscope.errors import UsageError
from zooscope_zoo.method import Keeps, NetworkConfig, RestorationMethod, Teacher
from zooscope_zoo.nn.denoiser import denoiser_field_px
from zooscope_zoo.nn.noise_model import GaussianMixture
from zooscope_zoo.noise_models import files
from zooscope_zoo.noise_models.of_data import data_mixtures
from zooscope_zoo.pn2v.network import SampledDenoiser
from zooscope_zoo.restoration import Restoration
from zooscope_zoo.training.blind_spots import blind_spots
from zooscope_zoo.training.normalisation import Normalisation

NETWORK = {"channels", "width", "depth", "kernel", "norm", "samples", "components", "degree"}
"""Settings that the network takes."""


class PN2VConfig(NetworkConfig):
    """Keyword arguments of `SampledDenoiser`, the blind spots of `blind_spots`, and the noise model.

    Attributes
    ----------
    noise_model : a file, as `zooscope noise-model fit` writes it; without one the model is that of the data's own card
        or clean images. It travels in the weights: the file need not be there any more once a training has begun.
        Another can take its place without a training, since samples are weighed by it after the network.
    seen_weight : of the squared difference between the samples of a pixel that is seen and those of the same pixel
        hidden. The noise model weighs in what was observed; a network that has looked at it too counts it twice, and
        one trained on hidden pixels alone does look where none is hidden, as in packages. Not part of the published
        loss.
    """

    width: int = Field(default=32, ge=4)
    depth: int = Field(default=2, ge=1, le=5)
    kernel: Literal[3, 5, 7] = 3
    norm: bool = False
    samples: int = Field(default=100, ge=2, le=1000)
    components: int = Field(default=3, ge=1, le=20)
    degree: int = Field(default=2, ge=0, le=6)
    noise_model: str = ""
    share: float = Field(default=0.02, gt=0, lt=0.5)
    radius_px: int = Field(default=10, ge=1, le=10)
    replacement: Literal["uniform", "median"] = "uniform"
    seen_weight: float = Field(default=1.0, ge=0)


class PN2V(Restoration[PN2VConfig]):
    """Learns from noisy images and their noise model: a distribution of what each pixel's signal may be.

    Krull et al. 2020, arXiv:1906.00651; noise model of Prakash et al. 2020, arXiv:1911.12291.
    """

    id = "pn2v"
    config = PN2VConfig
    keeps: Keeps = "last"
    teacher: Teacher = "itself"
    scaled_alike = "the noise that it knows is in their units"
    curve_note = "how much less likely noisy pixels are than at best, in nats: right signals give about 0.5, not zero"
    purpose = "noise that differs from pixel to pixel by chance and whose distribution is known or can be measured"
    architecture = ("zooscope_zoo.nn.denoiser", "zooscope_zoo.nn.noise_model", "zooscope_zoo.pn2v.network")
    small = ("network.width=8", "network.depth=1", "network.samples=20", "network.share=0.1")

    def network(self, config: PN2VConfig) -> SampledDenoiser:
        """A new network; its noise models are those of no data yet."""
        return SampledDenoiser(**config.model_dump(include=NETWORK))

    def measured(
        self,
        config: PN2VConfig,
        data: Sequence[tuple[Dataset, Sequence[str]]],
        normalisation: Normalisation,
        *,
        say: Callable[[str], None],
    ) -> Mapping[str, Tensor]:
        """The noise model of each channel, of normalised values."""
        if config.noise_model:
            return self.noise_weights(config, normalisation)
        sizes = {"components": config.components, "degree": config.degree}
        return _weights(data_mixtures(data, channels=config.channels, **sizes, say=say), normalisation)

    def noise_weights(self, config: PN2VConfig, normalisation: Normalisation) -> Mapping[str, Tensor]:
        """The noise model of `noise_model`, of normalised values, for each channel."""
        return _weights([_read(config)] * config.channels, normalisation)

    def multiple_px(self, config: PN2VConfig) -> int:
        """Two for each pooling."""
        return 2**config.depth

    def field_px(self, config: PN2VConfig) -> int:
        """The U-Net's own field."""
        return denoiser_field_px(depth=config.depth, kernel=config.kernel)

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: PN2VConfig) -> Mapping[str, Tensor]:
        """Of what was observed at blind spots the log-likelihood, of the mean over the samples (equation 7), below that
        of the value itself as the signal, and `seen`.

        The latter changes no gradient; without it the loss would move with the unit of intensity, also below zero.
        """
        hidden, spots = blind_spots(
            images, share=config.share, radius_px=config.radius_px, replacement=config.replacement
        )
        samples = at_spots(network.logits(hidden), spots).float()
        observed, apart = at_spots(targets, spots).float(), (targets.shape[1], config.samples)
        log_likelihood = network.log_likelihood(observed, samples).unflatten(1, apart)
        found = torch.logsumexp(log_likelihood, dim=2) - math.log(config.samples)
        most = network.log_likelihood(observed, observed)
        terms = {"log-likelihood": (most - found).mean()}
        if config.seen_weight:
            seen = at_spots(network.logits(images), spots).float()
            terms["seen"] = config.seen_weight * nn.functional.mse_loss(seen, samples.detach())
        return terms

    def map_names(self, config: PN2VConfig) -> tuple[str, ...]:
        """The image's channels, and the prior mean of each."""
        names = super().map_names(config)
        return (*names, *(f"prior_{name}" for name in names))

    def intensities(self, config: PN2VConfig) -> int:
        """All maps."""
        return 2 * config.channels

    def further_maps(self, config: PN2VConfig) -> str:
        """The prior mean."""
        return (
            "what the network expects of each pixel before the noise model weighs in what was observed there; where "
            "the two are far apart, the pixel's surroundings foretold another value"
        )


def at_spots(maps: Tensor, spots: Tensor) -> Tensor:
    """Values (n, c) of maps (b, c, y, x) at the places of spots (b, 1, y, x)."""
    return maps.movedim(1, -1)[spots[:, 0]]


def _weights(models: Sequence[GaussianMixture], normalisation: Normalisation) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for channel, (model, zero, unit) in enumerate(zip(models, normalisation.mean, normalisation.std, strict=True)):
        state = model.rescaled(zero=zero, unit=unit).state_dict()
        found |= {f"noise.{channel}.{name}": value for name, value in state.items()}
    return found


def _read(config: PN2VConfig) -> GaussianMixture:
    model = files.load(Path(config.noise_model))
    if (model.components, model.degree) != (config.components, config.degree):
        raise UsageError(
            f"{config.noise_model}: a mixture of {model.components} components of degree {model.degree}; set "
            f"network.components={model.components} and network.degree={model.degree}"
        )
    return model


METHOD: RestorationMethod = PN2V()
