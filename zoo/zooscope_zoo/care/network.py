"""CARE's network: the restored image, and where it was trained so how far off each pixel may be."""

import torch

from zooscope_zoo.nn.denoiser import Denoiser


class CARENetwork(Denoiser):
    """(b, channels, y, x) -> the restored image; with `probabilistic` also the scale of a Laplace distribution.

    Both have as many channels as the image, the image's first, in units of the normalised target. The other parameters
    are those of `Denoiser`.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        width: int = 32,
        depth: int = 2,
        kernel: int = 3,
        norm: bool = False,
        residual: bool = True,
        probabilistic: bool = False,
    ) -> None:
        maps = 2 if probabilistic else 1
        super().__init__(
            channels=channels, width=width, depth=depth, kernel=kernel, norm=norm, residual=residual, maps=maps
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The image, and the scales where there are any."""
        raw = self.logits(x)
        if raw.shape[1] == self.channels:
            return raw
        return torch.cat([raw[:, : self.channels], torch.exp(raw[:, self.channels :].clamp(-10, 10))], dim=1)
