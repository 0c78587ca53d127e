"""The U-Net with a head for what it is asked: foreground, foreground and boundary, or three classes."""

import torch
from torch import nn

from zooscope_zoo.nn.unet import UNet


class UNetNetwork(nn.Module):
    """(b, channels, y, x) -> maps (b, 1 or 2, y, x): probability of foreground, and of boundary.

    `output` is "foreground", "foreground-boundary" (two probabilities of their own) or "three-classes" (background,
    interior, boundary exclude each other; given as foreground = interior + boundary, and boundary). y and x are
    multiples of 2**depth.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        output: str = "foreground-boundary",
        width: int = 32,
        depth: int = 4,
        norm: bool = True,
    ) -> None:
        super().__init__()
        self.output = output
        self.unet = UNet(channels, width=width, depth=depth, norm=norm)
        self.head = nn.Conv2d(width, {"foreground": 1, "foreground-boundary": 2, "three-classes": 3}[output], 1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Before the activation."""
        return self.head(self.unet(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Probabilities."""
        raw = self.logits(x)
        if self.output == "three-classes":
            classes = torch.softmax(raw, dim=1)
            return torch.cat([1 - classes[:, :1], classes[:, 2:]], dim=1)
        return torch.sigmoid(raw)
