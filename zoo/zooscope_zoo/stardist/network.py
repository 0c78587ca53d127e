"""StarDist's network: a U-Net, a feature layer, and heads for probability and ray distances."""

from collections.abc import Sequence

import torch

from zooscope_zoo.nn.grid_unet import GridUNet


class StarDistNetwork(GridUNet):
    """(b, channels, y, x) -> (b, 1 + rays + classes, y / grid, x / grid).

    First the probability of an object, then distances in pixels, then the probability of each class of object. y and x
    are multiples of grid * 2**depth.
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
        classes: Sequence[str] = (),
    ) -> None:
        outputs = 1 + rays + len(classes)
        super().__init__(outputs, channels=channels, grid=grid, width=width, depth=depth, features=features, norm=norm)
        self.rays, self.classes = rays, tuple(classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Probability from 0 to 1, then distances of at least 0.001 px; the classes' probabilities add up to 1."""
        raw = self.logits(x)
        if not self.classes:
            return torch.cat([torch.sigmoid(raw[:, :1]), torch.clamp(raw[:, 1:], min=1e-3)], dim=1)
        rays, of_class = raw[:, 1 : 1 + self.rays], raw[:, 1 + self.rays :]
        parts = torch.sigmoid(raw[:, :1]), torch.clamp(rays, min=1e-3), torch.softmax(of_class, dim=1)
        return torch.cat(parts, dim=1)
