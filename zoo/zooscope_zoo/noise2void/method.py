"""Noise2Void as a method, with N2V2 and structN2V as settings of it: settings, loss."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field
from torch import Tensor, nn

from zooscope_zoo.method import Keeps, RestorationMethod, Teacher
from zooscope_zoo.nn.denoiser import Denoiser, denoiser_field_px
from zooscope_zoo.restoration import DenoiserConfig, DenoiserMethod
from zooscope_zoo.training.blind_spots import blind_spots

MASKING = {"share", "radius_px", "replacement", "noise_axis", "noise_span_px"}
"""Settings that the loss takes and the network does not."""


class Noise2VoidConfig(DenoiserConfig):
    """Keyword arguments of `Denoiser`, and the blind spots of `blind_spots`.

    N2V2 is blur_pool = true, top_skip = false, residual = false, replacement = "median"; structN2V is noise_axis = "x"
    or "y" and how far the noise is correlated along it, noise_span_px.
    """

    blur_pool: bool = False
    top_skip: bool = True
    share: float = Field(default=0.02, gt=0, lt=0.5)
    radius_px: int = Field(default=2, ge=1, le=10)
    replacement: Literal["uniform", "median"] = "uniform"
    noise_axis: Literal["none", "x", "y"] = "none"
    noise_span_px: int = Field(default=0, ge=0, le=20)


class Noise2Void(DenoiserMethod[Noise2VoidConfig]):
    """Learns from noisy images alone: it foretells pixels that it does not see from those around them.

    Krull et al. 2019, arXiv:1811.10980.
    """

    id = "noise2void"
    config = Noise2VoidConfig
    keeps: Keeps = "last"
    teacher: Teacher = "itself"
    curve_note = "the target is the noisy image: the floor is the variance of its noise, not zero"
    purpose = "noise that differs from pixel to pixel by chance, from the noisy images alone"

    def network(self, config: Noise2VoidConfig) -> nn.Module:
        """A new network."""
        return Denoiser(**config.model_dump(exclude=MASKING))

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: Noise2VoidConfig) -> Mapping[str, Tensor]:
        """Mean squared error over blind spots, which are drawn anew each time."""
        hidden, spots = blind_spots(
            images,
            share=config.share,
            radius_px=config.radius_px,
            replacement=config.replacement,
            axis=config.noise_axis,
            span_px=config.noise_span_px,
        )
        error = (network.logits(hidden).float() - targets) ** 2 * spots
        return {"squared-error": error.sum() / (spots.sum() * targets.shape[1])}

    def field_px(self, config: Noise2VoidConfig) -> int:
        """Blur pooling sees a little further."""
        return denoiser_field_px(
            depth=config.depth, kernel=config.kernel, blur_pool=config.blur_pool, top_skip=config.top_skip
        )


METHOD: RestorationMethod = Noise2Void()
