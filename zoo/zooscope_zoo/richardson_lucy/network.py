"""Richardson-Lucy steps unrolled, with the point spread function as a buffer."""

import torch
from torch import nn


class RichardsonLucyNetwork(nn.Module):
    """(b, channels, y, x) not below zero -> the same, deblurred, of any size from the point spread function's on.

    Each step multiplies the estimate by what the image exceeds the blurred estimate by, blurred backwards (Richardson
    1972, doi:10.1364/JOSA.62.000055; Lucy 1974, doi:10.1086/111605); with `total_variation` it divides by the
    estimate's curvature too (Dey et al. 2006, doi:10.1002/jemt.20294). With `width` a small network
    corrects the estimate after each step.

    Parameters
    ----------
    psf_px : edge of the point spread function, odd; its values are a buffer, of sum 1.
    iterations : steps.
    total_variation : weight of the regularisation, 0 for none.
    width : channels of the corrections, 0 for the classical algorithm.
    border : what lies beyond the image: its mirror image, or nothing.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        psf_px: int = 17,
        iterations: int = 10,
        total_variation: float = 0.0,
        width: int = 0,
        border: str = "mirror",
    ) -> None:
        super().__init__()
        self.channels, self.iterations = channels, iterations
        self.total_variation, self.border = total_variation, border
        self.psf: torch.Tensor
        self.register_buffer("psf", torch.full((psf_px, psf_px), 1 / psf_px**2))
        steps = iterations if width else 0
        self.corrections = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(2 * channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, channels, 3, padding=1)
            )
            for _ in range(steps)
        )

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """The estimate after all steps."""
        image = x.clamp(min=1e-6)
        estimate = torch.ones_like(image)
        for step in range(self.iterations):
            ratio = image / (self._blurred(estimate, self.psf) + 1e-12)
            factor = self._blurred(ratio, self.psf.flip(0, 1))
            if self.total_variation:
                factor = factor / (1 - self.total_variation * _curvature(estimate)).clamp(min=0.1)
            estimate = estimate * factor
            if len(self.corrections):
                seen = torch.cat([estimate, image], dim=1)
                estimate = (estimate + self.corrections[step](seen)).clamp(min=1e-6)
        return estimate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The deblurred image."""
        return self.logits(x)

    def _blurred(self, image: torch.Tensor, psf: torch.Tensor) -> torch.Tensor:
        radius = psf.shape[-1] // 2
        kernel = psf.expand(self.channels, 1, -1, -1)
        if self.border == "mirror":
            image = nn.functional.pad(image, (radius, radius, radius, radius), mode="reflect")
            return nn.functional.conv2d(image, kernel.flip(2, 3), groups=self.channels)
        return nn.functional.conv2d(image, kernel.flip(2, 3), padding=radius, groups=self.channels)


def _curvature(image: torch.Tensor) -> torch.Tensor:
    """Divergence of the gradient's direction: forward differences, then backward ones."""
    down = torch.cat([image[:, :, 1:] - image[:, :, :-1], torch.zeros_like(image[:, :, :1])], dim=2)
    right = torch.cat([image[..., 1:] - image[..., :-1], torch.zeros_like(image[..., :1])], dim=3)
    length = torch.sqrt((down**2 + right**2).clamp(min=1e-8))  # the ONNX exporter drops an added 1e-8
    down, right = down / length, right / length
    back_down = torch.cat([down[:, :, :1], down[:, :, 1:] - down[:, :, :-1]], dim=2)
    back_right = torch.cat([right[..., :1], right[..., 1:] - right[..., :-1]], dim=3)
    return back_down + back_right
