"""What methods have in common that learn a distribution of clean images from noisy ones (variational autoencoders)."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope_zoo.method import NetworkConfig, Teacher
from zooscope_zoo.noise_models.deviation import noise_deviation
from zooscope_zoo.noise_models.files import load, read_header
from zooscope_zoo.noise_models.of_data import data_mixtures
from zooscope_zoo.restoration import Restoration
from zooscope_zoo.training.normalisation import Normalisation

SMALLEST_SIGMA = 0.01
"""Of Gaussian noise, in deviations of the training images: of images without noise the density has no bound."""

OF_THE_LOSS = {"noise_model", "sigma", "learn_sigma", "anneal_steps", "mean_weight"}
"""Settings that the network does not take."""

COLLAPSED_NATS = 1e-3
"""Divergence a pixel, below which next to nothing of the image reaches the latent variables."""

ALIKE = 1e-8
"""Term `mean` of the loss, below which a draw decodes to what the means decode to: the decoder has died."""


class VariationalConfig(NetworkConfig):
    """What the noise is like, and how the divergence from the prior counts.

    Attributes
    ----------
    noise : "gaussian" of one deviation, or a "mixture" of Gaussians that vary with the signal, for images of one
        channel: that of `noise_model`, else of the data's card or clean images.
    noise_model : a file as `zooscope noise-model fit` writes it. It travels in the weights: the file need not be there
        any more once a training has begun.
    components, degree : of the mixture; those of the file where there is one.
    sigma : deviation of Gaussian noise in the images' units; 0 takes the estimate of `noise_deviation`.
    learn_sigma : the network finds the deviation itself, and the estimate is where it begins; not with a given one.
    anneal_steps : the divergence's weight rises linearly over so many steps from 0 to 1.
    mean_weight : of the squared difference between what the latent variables' means decode to and what drawn ones do,
        which teaches the decoder alone. A decoder of nothing but drawn latent variables has never seen their means; so
        it learns to make the mean of the draws of them, which is what packages give. Not part of the published loss.
    """

    noise: Literal["gaussian", "mixture"] = "gaussian"
    noise_model: str = ""
    components: int = Field(default=3, ge=1, le=20)
    degree: int = Field(default=2, ge=0, le=6)
    sigma: float = Field(default=0.0, ge=0)
    learn_sigma: bool = True
    anneal_steps: int = Field(default=0, ge=0)
    mean_weight: float = Field(default=1.0, ge=0)

    @property
    def learned_sigma(self) -> bool:
        """Whether the network finds the noise's deviation itself."""
        return self.learn_sigma and self.sigma == 0

    @model_validator(mode="before")
    @classmethod
    def _of_the_file(cls, values: Any) -> Any:
        path = values.get("noise_model") if isinstance(values, Mapping) else None
        if not path or not Path(path).is_file():
            return values
        header = read_header(path)
        return {**values, "noise": "mixture", "components": header["components"], "degree": header["degree"]}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.noise == "mixture" and (self.channels > 1 or self.sigma):
            raise ValueError("a noise model is for images of one channel, and goes with no sigma")
        return self


Config = TypeVar("Config", bound=VariationalConfig)


class Variational(Restoration[Config]):
    """Base of a method whose network has `standard_noise`, `encode`, `sampled`, `of_means`, `steps` and `noise`."""

    teacher: Teacher = "itself"
    scaled_alike = "the noise that it knows is in their units"
    curve_note = "negative log-density of the noisy pixels, in nats: its floor is the noise's entropy, not zero"

    def measured(
        self,
        config: Config,
        data: Sequence[tuple[Dataset, Sequence[str]]],
        normalisation: Normalisation,
        *,
        say: Callable[[str], None],
    ) -> Mapping[str, Tensor]:
        """The noise model, or the deviation of Gaussian noise (given, or the estimate), normalised."""
        if config.noise == "gaussian":
            sigmas = [config.sigma] * config.channels if config.sigma else _deviations(data, config.channels)
            relative = torch.tensor([sigma / unit for sigma, unit in zip(sigmas, normalisation.std, strict=True)])
            return {"noise.log_sigma": relative.clamp(min=SMALLEST_SIGMA).log()[:, None, None]}
        if config.noise_model:
            model = load(config.noise_model)
        else:
            (model,) = data_mixtures(data, components=config.components, degree=config.degree, say=say)
        (zero,), (unit,) = normalisation.mean, normalisation.std
        state = model.rescaled(zero=zero, unit=unit).state_dict()
        return {f"noise.{name}": value for name, value in state.items()}

    def remarks(self, history: Sequence[Mapping[str, float]]) -> list[str]:
        """Whether the posterior collapsed: the image no longer reaches the latent variables."""
        reason = collapse(history[-1])
        if not reason:
            return []
        return [
            f"{reason}, so the answer hardly depends on the image; train again with another training.seed, a longer "
            "network.anneal_steps, or a smaller network.sigma"
        ]

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: Config) -> Mapping[str, Tensor]:
        """The evidence lower bound with its sign changed, in nats a pixel (`reconstruction`, `kl`), and `mean`.

        In evaluation the divergence's weight is 1, so that validation losses can be compared over a whole training.
        """
        encoded = network.encode(images)
        signal, divergences = network.sampled(encoded, network.standard_noise(images))
        likelihood = network.noise.log_likelihood(targets.float(), signal.float())
        kl = self.divergence(divergences, config) / targets[0].numel()
        if network.training:
            network.steps += 1
            if config.anneal_steps:
                kl = kl * (network.steps / config.anneal_steps).clamp(max=1)
        terms = {"reconstruction": -likelihood.mean(), "kl": kl}
        if config.mean_weight:
            away = nn.functional.mse_loss(network.of_means(encoded).float(), signal.detach().float())
            terms["mean"] = config.mean_weight * away
        return terms

    @abstractmethod
    def divergence(self, divergences: Sequence[Tensor], config: Config) -> Tensor:
        """Mean over images of the divergences of all levels, in nats of a whole patch; from (b,) of each level."""


def collapse(losses: Mapping[str, float]) -> str:
    """What the losses of a validation say of a posterior that collapsed; empty where it did not."""
    kl = losses["validation/kl"]
    if kl <= COLLAPSED_NATS:
        return f"the posterior collapsed: its divergence from the prior is {kl:.2g} nats a pixel"
    if losses.get("validation/mean", 1.0) <= ALIKE:
        return "the posterior collapsed: whatever is drawn from it, the decoder gives the same"
    return ""


def _deviations(data: Sequence[tuple[Dataset, Sequence[str]]], channels: int, *, most: int = 50) -> list[float]:
    """The noise's deviation in each channel, the median over some of the images."""
    ids = [(item, id) for item, part in data for id in part]
    chosen = ids[:: -(-len(ids) // most)]
    images = (to_channels(item[id].image, channels).astype(np.float32) for item, id in chosen)
    found = [[noise_deviation(plane) for plane in image] for image in images]
    return [float(value) for value in np.median(found, axis=0)]
