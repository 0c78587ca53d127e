"""StarDist's network: a U-Net, a feature layer, and heads for probability and ray distances."""

import torch
from torch import nn

from zooscope_zoo.nn.unet import ConvBlock, UNet


class StarDistNetwork(nn.Module):
    """(b, channels, y, x) -> (b, 1 + rays, y / grid, x / grid): object probability, then distances in pixels.

    `grid` 2 puts two convolutions and a pooling before the U-Net. y and x are multiples of grid * 2**depth.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        rays: int = 32,
        grid: int = 2,
        width: int = 32,
        depth: int = 3,
        features: int = 128,
        norm: bool = True,
    ) -> None:
        super().__init__()
        stem: list[nn.Module] = []
        inputs = channels
        for _ in range(grid.bit_length() - 1):
            stem += [ConvBlock(inputs, width, width, norm=norm), nn.MaxPool2d(2)]
            inputs = width
        self.stem = nn.Sequential(*stem)
        self.unet = UNet(inputs, width=width, depth=depth, norm=norm)
        self.features = ConvBlock(width, features, norm=norm)
        self.heads = nn.Conv2d(features, 1 + rays, 1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Probability before the sigmoid, then distances as they come."""
        return self.heads(self.features(self.unet(self.stem(x))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Probability from 0 to 1, then distances of at least 0.001 px."""
        raw = self.logits(x)
        return torch.cat([torch.sigmoid(raw[:, :1]), torch.clamp(raw[:, 1:], min=1e-3)], dim=1)
