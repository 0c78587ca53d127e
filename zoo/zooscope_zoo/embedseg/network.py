"""EmbedSeg's network: an ERFNet (Romera et al. 2018, doi:10.1109/TITS.2017.2750080) with two decoders.

The branches are those of Neven et al. 2019 (arXiv:1906.11109): one decoder for offsets and bandwidths, one for seeds.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

UNIT_PX = 256.0
"""The offsets' reach, and what distances are measured in: a constant, so that no map depends on the image's size."""

START_PX = 8.0
"""The margin that an untrained network gives, while its offsets are zero."""

GAIN = 1 / 8
"""Of the offsets' logits: 1 is 32 px, so that an object's radius is a value like those of other layers."""

LOG_BANDWIDTH = (0.0, 16.0)
"""Natural logarithms of the smallest and largest bandwidth: margins from 213 to 0.07 px."""


def log_bandwidth(sigma: torch.Tensor) -> torch.Tensor:
    """Ten times sigma, which lets it move fast at small steps, within what float32 can raise e to."""
    return torch.clamp(10 * sigma, *LOG_BANDWIDTH)


def offset(logits: torch.Tensor) -> torch.Tensor:
    """Offsets in `UNIT_PX`, from -1 to 1."""
    return torch.tanh(GAIN * logits)


class Down(nn.Module):
    """Halves the image: a 3x3 convolution of stride 2 beside a pooling of the input."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs - inputs, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, inputs, y, x) -> (b, outputs, y / 2, x / 2)."""
        return torch.relu(self.norm(torch.cat([self.conv(x), nn.functional.max_pool2d(x, 2)], dim=1)))


class Factorised(nn.Module):
    """Non-bottleneck-1D: two 3x3 convolutions, each as 3x1 and 1x3, the second one dilated, added to the input."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        d = dilation
        self.body = nn.Sequential(
            nn.Conv2d(width, width, (3, 1), padding=(1, 0)),
            nn.ReLU(),
            nn.Conv2d(width, width, (1, 3), padding=(0, 1), bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, (3, 1), padding=(d, 0), dilation=(d, 1)),
            nn.ReLU(),
            nn.Conv2d(width, width, (1, 3), padding=(0, d), dilation=(1, d), bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, width, y, x), the same."""
        return torch.relu(x + self.body(x))


class Up(nn.Sequential):
    """Doubles the image by a transposed convolution; (b, inputs, y, x) -> (b, outputs, 2 y, 2 x)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class EmbedSegNetwork(nn.Module):
    """(b, channels, y, x) -> (b, 5, y, x): seed, offset y and x in pixels, margin y and x in pixels.

    y and x are multiples of 8. Dropout, which ERFNet has, is left out.

    Parameters
    ----------
    width : channels at half size; 4 and 8 times as many at a quarter and an eighth.
    blocks : at a quarter of the size, on the way down.
    dilations : of the blocks at an eighth of the size, in turn.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        width: int = 16,
        blocks: int = 5,
        dilations: Sequence[int] = (2, 4, 8, 16, 2, 4, 8, 16),
    ) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            Down(channels, width),
            Down(width, 4 * width),
            *(Factorised(4 * width, 1) for _ in range(blocks)),
            Down(4 * width, 8 * width),
            *(Factorised(8 * width, dilation) for dilation in dilations),
        )
        head = nn.ConvTranspose2d(width, 4, 2, stride=2)
        # every pixel points at itself first: a random offset would be far beyond the margin and learn nothing
        nn.init.zeros_(head.weight)
        start = math.log(math.log(2) * (UNIT_PX / START_PX) ** 2) / 10
        head.bias = nn.Parameter(torch.tensor([0.0, 0.0, start, start]))
        self.seed = _decoder(width, nn.ConvTranspose2d(width, 1, 2, stride=2))
        self.instance = _decoder(width, head)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Seed before the sigmoid, offsets before the tanh, sigmas."""
        x = self.encoder(x)
        return torch.cat([self.seed(x), self.instance(x)], dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Seed from 0 to 1; offsets from a pixel to its object's centre; margins.

        Pixels whose embedding (place + offset) lies in the ellipse with the margins as half axes around a centre belong
        to it: there exp(-bandwidth * distance**2) is above one half, with the distance in `UNIT_PX`.
        """
        raw = self.logits(x)
        margins = UNIT_PX * math.sqrt(math.log(2)) * torch.exp(-0.5 * log_bandwidth(raw[:, 3:]))
        return torch.cat([torch.sigmoid(raw[:, :1]), UNIT_PX * offset(raw[:, 1:3]), margins], dim=1)


def _decoder(width: int, head: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        Up(8 * width, 4 * width),
        *(Factorised(4 * width, 1) for _ in range(2)),
        Up(4 * width, width),
        *(Factorised(width, 1) for _ in range(2)),
        head,
    )


def embedseg_field_px(*, blocks: int, dilations: Sequence[int]) -> int:
    """Edge of the square of input pixels that can reach one output pixel, of whichever place in the coarsest pixel."""
    reach = 0
    for place in range(8):
        low = high = place // 2
        low, high = low - 4, high + 4  # two blocks, each of two convolutions
        low, high = low // 2 - 4, -(-high // 2) + 4
        low, high = low // 2, -(-high // 2)
        wide = sum(1 + dilation for dilation in dilations)
        low, high = 2 * (low - wide) - 1 - 2 * blocks, 2 * (high + wide) + 1 + 2 * blocks
        low, high = 2 * (2 * low - 1) - 1, 2 * (2 * high + 1) + 1
        reach = max(reach, place - low, high - place)
    return 1 + 2 * reach
