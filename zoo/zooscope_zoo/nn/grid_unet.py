"""StarDist's body (Schmidt et al. 2018, doi:10.1007/978-3-030-00934-2_30): U-Net on a coarser grid, a feature layer."""

import torch
from torch import nn

from zooscope_zoo.nn.unet import ConvBlock, UNet, unet_field_px


class GridUNet(nn.Module):
    """(b, channels, y, x) -> (b, outputs, y / grid, x / grid), as the heads give them; `forward` is left to others.

    `grid` 2 puts two convolutions and a pooling before the U-Net. y and x are multiples of grid * 2**depth.
    """

    def __init__(
        self, outputs: int, *, channels: int, grid: int, width: int, depth: int, features: int, norm: bool
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
        self.heads = nn.Conv2d(features, outputs, 1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """What the heads give, before any activation."""
        return self.heads(self.features(self.unet(self.stem(x))))


def grid_unet_field_px(*, grid: int, depth: int) -> int:
    """Edge of the square of input pixels that can reach one value: the U-Net's, widened by stem and feature layer."""
    return 5 * (grid - 1) + grid * (unet_field_px(depth=depth) + 2)
