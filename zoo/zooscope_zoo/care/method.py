"""CARE as a method: settings, losses."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zooscope_zoo.method import RestorationMethod, Teacher
from zooscope_zoo.nn.denoiser import Denoiser
from zooscope_zoo.restoration import DenoiserMethod, VolumeConfig


class CAREConfig(VolumeConfig):
    """Keyword arguments of `Denoiser`, and the loss.

    "laplace" also learns how far off each pixel may be and gives that as further maps.
    """

    loss: Literal["absolute", "squared", "laplace"] = "absolute"

    @property
    def probabilistic(self) -> bool:
        """Whether there are maps of uncertainty."""
        return self.loss == "laplace"


class CARE(DenoiserMethod[CAREConfig]):
    """Learns from pairs of a noisy and a clean image.

    Weigert et al. 2018, doi:10.1038/s41592-018-0216-7.
    """

    id = "care"
    config = CAREConfig
    teacher: Teacher = "clean"
    purpose = "whatever pairs of bad and good images of the same scene show: noise, blur, or both"

    def network(self, config: CAREConfig) -> nn.Module:
        """A new network."""
        return Denoiser(**config.model_dump(exclude={"loss"}), probabilistic=config.probabilistic)

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: CAREConfig) -> Mapping[str, Tensor]:
        """Mean absolute or squared error, or the negative log-likelihood of a Laplace distribution without ln 2."""
        logits = network.logits(images).float()
        found = logits[:, : targets.shape[1]]
        if config.loss == "squared":
            return {"squared-error": nn.functional.mse_loss(found, targets)}
        if config.loss == "absolute":
            return {"absolute-error": nn.functional.l1_loss(found, targets)}
        log_scale = logits[:, targets.shape[1] :].clamp(-10, 10)
        return {"laplace": (torch.abs(found - targets) * torch.exp(-log_scale) + log_scale).mean()}

    def map_names(self, config: CAREConfig) -> tuple[str, ...]:
        """The image's channels, and an uncertainty for each."""
        names = super().map_names(config)
        return (*names, *(f"scale_{name}" for name in names)) if config.probabilistic else names

    def further_maps(self, config: CAREConfig) -> str:
        """The scales."""
        return (
            "the scale of a Laplace distribution around each pixel's value, in the same units: half of the true values "
            "lie within 0.69 of it if the network judges itself well"
        )


METHOD: RestorationMethod = CARE()
