"""Cellpose's network (Stringer et al. 2021, doi:10.1038/s41592-020-01018-x): a residual U-Net with additive skips."""

import torch
from torch import nn


class PreConv(nn.Sequential):
    """Batch norm, ReLU, convolution, in this order; (b, inputs, y, x) -> (b, outputs, y, x)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__(nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))


class Down(nn.Module):
    """Four convolutions, two and two with a shortcut around them; (b, inputs, y, x) -> (b, outputs, y, x)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 1))
        self.convolutions = nn.ModuleList(PreConv(n, outputs) for n in (inputs, outputs, outputs, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features of the same size."""
        first, second, third, fourth = self.convolutions
        x = self.shortcut(x) + second(first(x))
        return x + fourth(third(x))


class Up(nn.Module):
    """The same on the way up: the skip comes in after the first convolution, the style before each of the others.

    Parameters
    ----------
    style : length of the style vector, which is brought to `outputs` channels; 0 for none.
    """

    def __init__(self, inputs: int, outputs: int, *, style: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 1))
        self.convolutions = nn.ModuleList(PreConv(n, outputs) for n in (inputs, outputs, outputs, outputs))
        self.styles = nn.ModuleList(nn.Linear(style, outputs) if style else nn.Identity() for _ in range(3))

    def forward(self, x: torch.Tensor, skip: torch.Tensor, style: torch.Tensor | None) -> torch.Tensor:
        """Features (b, outputs, y, x) of coarser ones at this size and the `skip` (b, outputs, y, x)."""
        first, second, third, fourth = self.convolutions
        x = self.shortcut(x) + second(self._styled(0, first(x) + skip, style))
        return x + fourth(self._styled(2, third(self._styled(1, x, style)), style))

    def _styled(self, place: int, x: torch.Tensor, style: torch.Tensor | None) -> torch.Tensor:
        return x if style is None else x + self.styles[place](style)[:, :, None, None]


class CellposeNetwork(nn.Module):
    """(b, channels, y, x) -> (b, 3, y, x): five times the unit flow along y and x, and the logit of being in a cell.

    y and x are multiples of 2**depth.

    Parameters
    ----------
    width : channels at full size; each of `depth` poolings doubles them.
    style : the mean of the deepest features over the whole image, of length one, steers the way up.
    blank_channels : so many channels of zeros follow the image's: Cellpose's own networks take two channels, the
        second blank where there is one stain.
    """

    def __init__(
        self, *, channels: int = 1, width: int = 32, depth: int = 3, style: bool = False, blank_channels: int = 0
    ) -> None:
        super().__init__()
        self.style, self.blank_channels = style, blank_channels
        widths = [width * 2**level for level in range(depth + 1)]
        inputs = [channels + blank_channels, *widths]
        self.down = nn.ModuleList(Down(before, now) for before, now in zip(inputs, widths, strict=False))
        self.up = nn.ModuleList(
            Up(coarser, now, style=widths[-1] if style else 0)
            for coarser, now in zip([widths[-1], *widths[:0:-1]], widths[::-1], strict=True)
        )
        self.head = PreConv(width, 3, kernel=1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """The three maps, which need no activation."""
        if self.blank_channels:
            x = torch.cat([x, torch.zeros_like(x[:, :1]).expand(-1, self.blank_channels, -1, -1)], dim=1)
        skips: list[torch.Tensor] = []
        for level, block in enumerate(self.down):
            x = block(nn.functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        style = nn.functional.normalize(x.mean((2, 3)), dim=1) if self.style else None
        for level, block in enumerate(self.up):
            if level:
                x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(x, skips.pop(), style)
        return self.head(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The maps."""
        return self.logits(x)


def cellpose_field_px(*, depth: int) -> int:
    """Edge of the square of input pixels that can reach one output pixel, but for the style, which sees them all.

    Eight 3x3 convolutions at each level, four on either way, widen it by two of the level's pixels each; poolings and
    interpolations as in `nn.unet.unet_field_px`.
    """
    return 1 + 2 * 8 * sum(2**level for level in range(depth + 1)) + 2 * (2**depth - 1)
