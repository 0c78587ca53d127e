"""U-Net that gives an image or a volume of the input's size: what CARE, Noise2Noise and Noise2Void train.

The body follows Weigert et al. 2018 (doi:10.1038/s41592-018-0216-7), csbdeep's U-Net; blur pooling and the missing top
skip are those of N2V2 (Hoeck et al. 2022, arXiv:2211.08512), after Zhang 2019 (arXiv:1904.11486).
"""

import itertools

import torch
from torch import nn


class Convolutions(nn.Sequential):
    """Convolutions, each with batch norm (if `norm`) and ReLU; (b, widths[0], y, x) -> (b, widths[-1], y, x).

    With 3 `dimensions` of (b, c, z, y, x).
    """

    def __init__(self, *widths: int, kernel: int, norm: bool, dimensions: int = 2) -> None:
        convolution, normalisation = (nn.Conv2d, nn.BatchNorm2d) if dimensions == 2 else (nn.Conv3d, nn.BatchNorm3d)
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(widths):
            layers.append(convolution(inputs, outputs, kernel, padding=kernel // 2, bias=not norm))
            if norm:
                layers.append(normalisation(outputs))
            layers.append(nn.ReLU())
        super().__init__(*layers)


class BlurPool(nn.Module):
    """Halves an image: the largest of each 2x2 pixels, smoothed by (1, 2, 1) / 4 in y and x; borders are repeated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([0.25, 0.5, 0.25])
        self.kernel: torch.Tensor
        kernel = torch.outer(row, row).expand(channels, 1, 3, 3).clone()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, c, y, x) -> (b, c, y / 2, x / 2)."""
        x = nn.functional.pad(x, (0, 1, 0, 1), mode="replicate")
        x = nn.functional.max_pool2d(x, 2, stride=1)
        x = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return nn.functional.conv2d(x, self.kernel, stride=2, groups=x.shape[1])


class Denoiser(nn.Module):
    """(b, channels, y, x) -> (b, channels, y, x), both normalised; y and x are multiples of 2**depth.

    Parameters
    ----------
    dimensions : 3 for volumes (b, channels, z, y, x), whose z is such a multiple, too.
    width : channels at full size; each of `depth` poolings doubles them.
    residual : the network gives what is added to the image.
    blur_pool : smoothed poolings, against checkerboards; of images alone.
    top_skip : the finest features of the way down reach the way up.
    probabilistic : after the image's channels come as many of the scale of a Laplace distribution around each value.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        dimensions: int = 2,
        width: int = 32,
        depth: int = 2,
        kernel: int = 3,
        norm: bool = False,
        residual: bool = True,
        blur_pool: bool = False,
        top_skip: bool = True,
        probabilistic: bool = False,
    ) -> None:
        super().__init__()
        self.channels, self.residual, self.top_skip = channels, residual, top_skip
        widths = [width * 2**level for level in range(depth)]
        pooling, convolution = (nn.MaxPool2d, nn.Conv2d) if dimensions == 2 else (nn.MaxPool3d, nn.Conv3d)
        self.down = nn.ModuleList(
            Convolutions(before, now, now, kernel=kernel, norm=norm, dimensions=dimensions)
            for before, now in zip([channels, *widths], widths, strict=False)
        )
        self.pool = nn.ModuleList(BlurPool(now) if blur_pool else pooling(2) for now in widths)
        middle = (widths[-1], 2 * widths[-1], widths[-1])
        self.middle = Convolutions(*middle, kernel=kernel, norm=norm, dimensions=dimensions)
        skipped = [now if top_skip or level else 0 for level, now in enumerate(widths)]
        self.up = nn.ModuleList(
            Convolutions(now + skip, now, finer, kernel=kernel, norm=norm, dimensions=dimensions)
            for now, skip, finer in zip(widths[::-1], skipped[::-1], [*widths[-2::-1], width], strict=True)
        )
        self.head = convolution(width, 2 * channels if probabilistic else channels, 1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """What the loss takes: the image, and the logarithms of the scales where there are any."""
        image, skips = x, list[torch.Tensor]()
        for block, pool in zip(self.down, self.pool, strict=True):
            x = block(x)
            skips.append(x)
            x = pool(x)
        x = self.middle(x)
        for level, block in zip(range(len(self.up) - 1, -1, -1), self.up, strict=True):
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, skips[level]], dim=1) if level or self.top_skip else x)
        x = self.head(x)
        if not self.residual:
            return x
        return torch.cat([x[:, : self.channels] + image, x[:, self.channels :]], dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The restored image, and the scales where there are any."""
        raw = self.logits(x)
        if raw.shape[1] == self.channels:
            return raw
        return torch.cat([raw[:, : self.channels], torch.exp(raw[:, self.channels :].clamp(-10, 10))], dim=1)


def denoiser_field_px(*, depth: int, kernel: int = 3, blur_pool: bool = False, top_skip: bool = True) -> int:
    """Edge of the square of input pixels that can reach one output pixel, of whichever place in the coarsest pixel."""
    wide = 2 * (kernel // 2)  # of two convolutions

    def through_down(level: int, low: int, high: int) -> tuple[int, int]:
        low, high = low - wide, high + wide
        if level == 0:
            return low, high
        return through_down(level - 1, 2 * low - blur_pool, 2 * high + 1 + blur_pool)

    def through_up(level: int, low: int, high: int) -> tuple[int, int]:
        low, high = low - wide, high + wide
        if level == depth:
            return through_down(level - 1, 2 * low - blur_pool, 2 * high + 1 + blur_pool)
        deeper = through_up(level + 1, low // 2, high // 2)
        if level == 0 and not top_skip:
            return deeper
        skip = through_down(level, low, high)
        return min(deeper[0], skip[0]), max(deeper[1], skip[1])

    reach = 0
    for place in range(2**depth):
        low, high = through_up(0, place, place)
        reach = max(reach, place - low, high - place)
    return 1 + 2 * reach
