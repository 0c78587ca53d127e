"""Richardson-Lucy as a method: settings, point spread function, loss."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from zooscope_zoo.method import NetworkConfig, RestorationMethod, Teacher
from zooscope_zoo.restoration import Restoration
from zooscope_zoo.richardson_lucy.network import RichardsonLucyNetwork
from zooscope_zoo.richardson_lucy.psf import Psf, gaussian_psf, gibson_lanni_psf, read_psf


class RichardsonLucyConfig(NetworkConfig):
    """Keyword arguments of `RichardsonLucyNetwork`, and of the point spread function.

    "gaussian" takes `sigma_px`; "gibson-lanni" the optics, in micrometres; "measured" the image of a bead. What was
    measured travels in the weights: the file need not be there any more once a training has begun.
    """

    psf: Literal["gaussian", "gibson-lanni", "measured"] = "gaussian"
    psf_px: int = Field(default=17, ge=3, le=101)
    sigma_px: float = Field(default=2.0, gt=0)
    pixel_size_um: float = Field(default=0.1, gt=0)
    wavelength_um: float = Field(default=0.52, gt=0)
    aperture: float = Field(default=1.2, gt=0)
    immersion_index: float = Field(default=1.515, ge=1)
    sample_index: float = Field(default=1.33, ge=1)
    depth_um: float = Field(default=0.0, ge=0)
    defocus_um: float = 0.0
    psf_file: str = ""
    iterations: int = Field(default=8, ge=1, le=200)
    total_variation: float = Field(default=0.0, ge=0, lt=0.2)
    width: int = Field(default=16, ge=0)
    border: Literal["mirror", "nothing"] = "mirror"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.psf_px % 2 == 0:
            raise ValueError(f"psf_px={self.psf_px} is even; a point spread function has a middle")
        if (self.psf == "measured") != bool(self.psf_file):
            raise ValueError("psf 'measured' goes with psf_file, and no other does")
        return self


class RichardsonLucy(Restoration[RichardsonLucyConfig]):
    """Sharpens what a known point spread function blurred."""

    id = "richardson-lucy"
    teacher: Teacher = "clean"
    centred = False
    scaled_alike = "its zero is no light"
    config = RichardsonLucyConfig
    architecture = ("zooscope_zoo.richardson_lucy.network",)
    purpose = "blur by a known point spread function, under the noise of few photons"
    small = ("network.iterations=3", "network.psf_px=5", "network.sigma_px=0.5", "network.width=8")

    def network(self, config: RichardsonLucyConfig) -> nn.Module:
        """A new network; its corrections begin at nothing, so that it begins as the classical algorithm."""
        network = RichardsonLucyNetwork(
            channels=config.channels,
            psf_px=config.psf_px,
            iterations=config.iterations,
            total_variation=config.total_variation,
            width=config.width,
            border=config.border,
        )
        if config.psf != "measured" or Path(config.psf_file).is_file():
            network.psf.copy_(torch.from_numpy(_psf(config)))
        for correction in network.corrections:
            last: Any = correction[-1]  # pyright: ignore[reportIndexIssue]
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        return network

    def multiple_px(self, config: RichardsonLucyConfig) -> int:
        """Any size."""
        return 1

    def terms(
        self, network: Any, images: Tensor, targets: Tensor, config: RichardsonLucyConfig
    ) -> Mapping[str, Tensor]:
        """Mean squared error."""
        return {"squared-error": nn.functional.mse_loss(network.logits(images).float(), targets)}

    def field_px(self, config: RichardsonLucyConfig) -> int:
        """Each step sees the point spread function's reach twice, and two pixels for its correction."""
        reach = 2 * (config.psf_px // 2) + 2 * bool(config.width) + bool(config.total_variation)
        # the first step's estimate is the same everywhere, so that it sees the image through one blur alone
        return 1 + 2 * (config.iterations * reach - config.psf_px // 2)


def _psf(config: RichardsonLucyConfig) -> Psf:
    if config.psf == "gaussian":
        return gaussian_psf(sigma_px=config.sigma_px, size_px=config.psf_px)
    if config.psf == "measured":
        return read_psf(Path(config.psf_file), size_px=config.psf_px)
    return gibson_lanni_psf(
        size_px=config.psf_px,
        pixel_size_um=config.pixel_size_um,
        wavelength_um=config.wavelength_um,
        aperture=config.aperture,
        immersion_index=config.immersion_index,
        sample_index=config.sample_index,
        depth_um=config.depth_um,
        defocus_um=config.defocus_um,
    )


METHOD: RestorationMethod = RichardsonLucy()
