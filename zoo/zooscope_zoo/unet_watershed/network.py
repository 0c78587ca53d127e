"""The U-Net with one head for foreground, boundary and distance."""

import torch
from torch import nn

from zooscope_zoo.nn.unet import UNet


class UNetWatershedNetwork(nn.Module):
    """(b, channels, y, x) -> maps (b, 3, y, x), all from 0 to 1; y and x are multiples of 2**depth.

    Probability of foreground, probability of an object's boundary, and the distance to the object's outline, 1 where
    that is largest.
    """

    def __init__(self, *, channels: int = 1, width: int = 32, depth: int = 4, norm: bool = True) -> None:
        super().__init__()
        self.unet = UNet(channels, width=width, depth=depth, norm=norm)
        self.head = nn.Conv2d(width, 3, 1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Before the activation."""
        return self.head(self.unet(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Probabilities and distance."""
        return torch.sigmoid(self.logits(x))
