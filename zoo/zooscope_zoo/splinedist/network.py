"""SplineDist's network: StarDist's body, and heads for probability and the control points of a spline."""

import torch

from zooscope_zoo.nn.grid_unet import GridUNet


class SplineDistNetwork(GridUNet):
    """(b, channels, y, x) -> (b, 1 + 2 control_points, y / grid, x / grid): object probability, then control points.

    First y of all control points, then x of them, in pixels of the image from the pixel that they stand in. y and x are
    multiples of grid * 2**depth.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        control_points: int = 8,
        grid: int = 2,
        width: int = 32,
        depth: int = 3,
        features: int = 128,
        norm: bool = True,
    ) -> None:
        outputs = 1 + 2 * control_points
        super().__init__(outputs, channels=channels, grid=grid, width=width, depth=depth, features=features, norm=norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Probability from 0 to 1, then the control points as they come."""
        raw = self.logits(x)
        return torch.cat([torch.sigmoid(raw[:, :1]), raw[:, 1:]], dim=1)
