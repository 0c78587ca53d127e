"""U-Net (Ronneberger et al. 2015, arXiv:1505.04597) with same-size convolutions, as a body for other heads."""

import itertools

import torch
from torch import nn


class ConvBlock(nn.Sequential):
    """3x3 convolutions, each with batch norm (if `norm`) and ReLU; (b, widths[0], y, x) -> (b, widths[-1], y, x)."""

    def __init__(self, *widths: int, norm: bool = True) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=not norm))
            if norm:
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.ReLU())
        super().__init__(*layers)


class UNet(nn.Module):
    """Features (b, width, y, x) of an image (b, inputs, y, x); y and x are multiples of 2**depth.

    Widths double with each of `depth` poolings; each block that is followed by an interpolation (nearest) halves them
    again, and the way up concatenates.
    """

    def __init__(self, inputs: int, *, width: int = 32, depth: int = 3, norm: bool = True) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth)]
        self.down = nn.ModuleList(
            ConvBlock(before, now, now, norm=norm) for before, now in zip([inputs, *widths], widths, strict=False)
        )
        self.middle = ConvBlock(widths[-1], 2 * widths[-1], widths[-1], norm=norm)
        self.up = nn.ModuleList(
            ConvBlock(2 * now, now, finer, norm=norm)
            for now, finer in zip(widths[::-1], [*widths[-2::-1], width], strict=True)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features at the image's size."""
        skips: list[torch.Tensor] = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.middle(x)
        for block in self.up:
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, skips.pop()], dim=1))
        return x


def unet_field_px(*, depth: int) -> int:
    """Edge of the square of input pixels that can reach one output pixel.

    Each 3x3 convolution widens it by two pixels of its own level, 2**level in the image, and each 2x2 pooling by one;
    nearest interpolation does not know in which half of a coarse pixel it stands, which costs as much again.
    """
    convolutions = 2 * (sum(2 * 2**level for level in range(depth)) + 2**depth)
    return 1 + 2 * convolutions + 2 * (2**depth - 1)
