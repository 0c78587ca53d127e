"""StarDist's network: a U-Net, a feature layer, and heads for probability and ray distances."""

import torch

from zooscope_zoo.nn.grid_unet import GridUNet


class StarDistNetwork(GridUNet):
    """(b, channels, y, x) -> (b, 1 + rays, y / grid, x / grid): object probability, then distances in pixels.

    y and x are multiples of grid * 2**depth.
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
        super().__init__(1 + rays, channels=channels, grid=grid, width=width, depth=depth, features=features, norm=norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Probability from 0 to 1, then distances of at least 0.001 px."""
        raw = self.logits(x)
        return torch.cat([torch.sigmoid(raw[:, :1]), torch.clamp(raw[:, 1:], min=1e-3)], dim=1)
