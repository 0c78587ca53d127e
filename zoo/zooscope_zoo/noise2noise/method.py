"""Noise2Noise as a method: settings, loss."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from zooscope_zoo.method import Keeps, RestorationMethod, Teacher
from zooscope_zoo.restoration import DenoiserMethod, VolumeConfig


class Noise2NoiseConfig(VolumeConfig):
    """Keyword arguments of `Denoiser`."""


class Noise2Noise(DenoiserMethod[Noise2NoiseConfig]):
    """Learns from pairs of noisy images: what it cannot foretell of the second one is its noise.

    Lehtinen et al. 2018, arXiv:1803.04189. The loss never reaches zero: its floor is the variance of
    the target's noise.
    """

    id = "noise2noise"
    config = Noise2NoiseConfig
    keeps: Keeps = "last"
    teacher: Teacher = "noisy"
    curve_note = "the target is noisy too: the floor is the variance of its noise, not zero"
    purpose = "noise of any kind that has no bias, from pairs of noisy images of the same scene"

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: Noise2NoiseConfig) -> Mapping[str, Tensor]:
        """Mean squared error against the other noisy image."""
        return {"squared-error": nn.functional.mse_loss(network.logits(images).float(), targets)}


METHOD: RestorationMethod = Noise2Noise()
