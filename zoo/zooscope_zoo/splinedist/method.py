"""SplineDist as a method: settings, targets, loss."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from zooscope.decode.splinedist import spline_basis
from zooscope.errors import UsageError
from zooscope.sample import Task
from zooscope_zoo.method import Description, Keeps, NetworkConfig, ObjectMethod, count_parameters
from zooscope_zoo.nn.grid_unet import grid_unet_field_px
from zooscope_zoo.splinedist.contours import components, contours
from zooscope_zoo.splinedist.network import SplineDistNetwork
from zooscope_zoo.turning import Turning, around

SAMPLES = 4
"""Points of a contour that are compared, to one control point."""


class SplineDistConfig(NetworkConfig):
    """Keyword arguments of `SplineDistNetwork`."""

    control_points: int = Field(default=8, ge=4, le=32)
    grid: Literal[1, 2, 4] = 2
    width: int = Field(default=32, ge=4)
    depth: int = Field(default=3, ge=1, le=5)
    features: int = Field(default=128, ge=4)
    norm: bool = True


class SplineDist:
    """Objects of any simple shape: every pixel votes with its probability and a spline around its object."""

    id = "splinedist"
    task = Task.INSTANCE_SEGMENTATION
    keeps: Keeps = "best"
    curve_note = ""
    config = SplineDistConfig
    architecture = ("zooscope_zoo.nn.unet", "zooscope_zoo.nn.grid_unet", "zooscope_zoo.splinedist.network")
    small = ("network.width=8", "network.depth=2", "network.features=16", "training.steps=1200")

    def network(self, config: SplineDistConfig) -> nn.Module:
        """A new network."""
        return SplineDistNetwork(**config.model_dump())

    def multiple_px(self, config: SplineDistConfig) -> int:
        """The grid, times two for each pooling of the U-Net."""
        return config.grid * 2**config.depth

    def grid(self, config: SplineDistConfig) -> int:
        """As configured."""
        return config.grid

    def planes(self, labels: NDArray[np.int32], config: SplineDistConfig) -> NDArray[np.float32]:
        """None: contours change with the patch that cuts an object."""
        return np.zeros((0, *labels.shape), np.float32)

    def targets(
        self, labels: NDArray[np.int32], planes: NDArray[np.float32], config: SplineDistConfig
    ) -> NDArray[np.float32]:
        """Probability (distance to the outline, scaled to 1 at each object's middle), number of the contour, contours.

        All pixels of an object share one contour, so a patch holds each once: the planes after the second are a table
        of contours (2, 4 control_points), y and x in pixels from the patch's corner. It has room for one in 16 pixels
        of the grid; of more, the last have no contour (number 0, as background) and teach their probability alone.
        """
        from stardist.utils import edt_prob

        g, samples = config.grid, SAMPLES * config.control_points
        parts = components(labels)
        targets = np.zeros(
            (2 + (config.control_points + 1) // 2, -(-labels.shape[0] // g), -(-labels.shape[1] // g)), np.float32
        )
        table = targets[2:].reshape(-1)
        room = table.size // (2 * samples)
        parts[parts > room] = 0
        targets[0] = edt_prob(labels)[::g, ::g]
        targets[1] = parts[::g, ::g]
        found = contours(parts, samples)
        table[: found.size] = found.ravel()
        return targets

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: SplineDistConfig) -> Mapping[str, Tensor]:
        """The loss of what the network sees in whole patches."""
        return self.loss(network.logits(images).float(), targets, config)

    def loss(self, logits: Tensor, targets: Tensor, config: SplineDistConfig) -> Mapping[str, Tensor]:
        """Cross-entropy of the probability, and 0.2 times the error of the contour.

        That error is the mean absolute difference, in pixels, of the coordinates of points along the predicted spline
        and along the true contour, weighted by the true probability, so that pixels deep inside count most.
        """
        entropy = nn.functional.binary_cross_entropy_with_logits(logits[:, :1], targets[:, :1])
        samples = SAMPLES * config.control_points
        basis = torch.from_numpy(spline_basis(samples, config.control_points)).to(logits.device)
        patch, y, x = torch.nonzero(targets[:, 1], as_tuple=True)
        points = logits[:, 1:].permute(0, 2, 3, 1)[patch, y, x].view(-1, 2, config.control_points)
        places = config.grid * torch.stack([y, x], dim=1)[..., None]
        table = targets[:, 2:].flatten(1)
        table = table[:, : table.shape[1] // (2 * samples) * 2 * samples].view(len(table), -1, 2, samples)
        truth = table[patch, targets[patch, 1, y, x].long() - 1] - places
        weight = targets[patch, 0, y, x]
        error = ((points @ basis.T - truth).abs().mean((1, 2)) * weight).sum() / (weight.sum() + 1e-6)
        return {"probability": entropy, "contour": 0.2 * error}

    def decoder(self, config: SplineDistConfig) -> str:
        """Non-maximum suppression of filled contours."""
        return "splinedist"

    def map_names(self, config: SplineDistConfig) -> tuple[str, ...]:
        """Probability, then the control points' places."""
        numbers = range(config.control_points)
        return ("probability", *(f"y_{number}" for number in numbers), *(f"x_{number}" for number in numbers))

    def turning(self, config: SplineDistConfig) -> Turning:
        """Control points change places as the directions do in which they lie, and their coordinates turn."""
        n = config.control_points
        if n % 4:
            raise UsageError(
                f"splinedist: {n} control points do not turn with the image; it takes a number of them that 4 divides"
            )
        flip_y, flip_x, transpose = around(n)
        y, x = 1, 1 + n
        return Turning(
            flip_y=((0, 1), *((y + k, -1) for k in flip_y), *((x + k, 1) for k in flip_y)),
            flip_x=((0, 1), *((y + k, 1) for k in flip_x), *((x + k, -1) for k in flip_x)),
            transpose=((0, 1), *((x + k, 1) for k in transpose), *((y + k, 1) for k in transpose)),
        )

    def describe(self, config: SplineDistConfig) -> Description:
        """The body's field."""
        field = grid_unet_field_px(grid=config.grid, depth=config.depth)
        purpose = "nuclei and cells of any simple shape, also elongated and bent, also where they touch"
        return Description(purpose, field, count_parameters(self.network(config)))


METHOD: ObjectMethod = SplineDist()
