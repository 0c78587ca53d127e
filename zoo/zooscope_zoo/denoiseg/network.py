"""The U-Net with one head for three classes and the denoised image."""

import torch
from torch import nn

from zooscope_zoo.nn.unet import UNet


class DenoiSegNetwork(nn.Module):
    """(b, channels, y, x) -> maps (b, 2 + channels, y, x); y and x are multiples of 2**depth.

    Probability of foreground (interior or boundary), probability of boundary, and the denoised image in the units of
    the normalised one. The head gives background, interior, boundary, image.
    """

    def __init__(self, *, channels: int = 1, width: int = 32, depth: int = 4, norm: bool = True) -> None:
        super().__init__()
        self.unet = UNet(channels, width=width, depth=depth, norm=norm)
        self.head = nn.Conv2d(width, 3 + channels, 1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Before the activation; the image has none."""
        return self.head(self.unet(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Probabilities and image."""
        raw = self.logits(x)
        classes = torch.softmax(raw[:, :3], dim=1)
        return torch.cat([1 - classes[:, :1], classes[:, 2:], raw[:, 3:]], dim=1)
