"""The U-Net with a learned watershed as a method: settings, targets, loss."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from zooscope.sample import Task
from zooscope_zoo.method import Description, Keeps, NetworkConfig, ObjectMethod, count_parameters
from zooscope_zoo.nn.unet import unet_field_px
from zooscope_zoo.training.boundary import inner_boundary
from zooscope_zoo.training.losses import dice_loss
from zooscope_zoo.turning import Turning, unchanged
from zooscope_zoo.unet_watershed.distance import relative_distance
from zooscope_zoo.unet_watershed.network import UNetWatershedNetwork


class UNetWatershedConfig(NetworkConfig):
    """Keyword arguments of `UNetWatershedNetwork`, and the weight of the distance in the loss."""

    width: int = Field(default=32, ge=4)
    depth: int = Field(default=4, ge=1, le=6)
    norm: bool = True
    distance_weight: float = Field(default=1.0, gt=0)


class UNetWatershed:
    """Foreground, boundary and distance to the outline; a watershed floods from the middles of objects.

    Learning the landscape of the watershed is Bai and Urtasun's idea (2017, arXiv:1611.08303); the body is the U-Net.
    """

    id = "unet-watershed"
    task = Task.INSTANCE_SEGMENTATION
    keeps: Keeps = "best"
    curve_note = ""
    config = UNetWatershedConfig
    architecture = ("zooscope_zoo.nn.unet", "zooscope_zoo.unet_watershed.network")
    small = ("network.width=8", "network.depth=2")

    def network(self, config: UNetWatershedConfig) -> nn.Module:
        """A new network."""
        return UNetWatershedNetwork(**config.model_dump(exclude={"distance_weight"}))

    def multiple_px(self, config: UNetWatershedConfig) -> int:
        """2**depth."""
        return 2**config.depth

    def grid(self, config: UNetWatershedConfig) -> int:
        """Maps have the image's size."""
        return 1

    def planes(self, labels: NDArray[np.int32], config: UNetWatershedConfig) -> NDArray[np.float32]:
        """The distance: relative to the object's size it survives zooming, and a patch that cuts an object."""
        return relative_distance(labels)[None]

    def targets(
        self, labels: NDArray[np.int32], planes: NDArray[np.float32], config: UNetWatershedConfig
    ) -> NDArray[np.float32]:
        """Foreground, boundary (two pixels wide between objects, one towards the background), distance."""
        boundary = inner_boundary(labels)
        return np.stack([labels > 0, boundary, planes[0]]).astype(np.float32)

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: UNetWatershedConfig) -> Mapping[str, Tensor]:
        """The loss of what the network sees in whole patches."""
        return self.loss(network.logits(images).float(), targets, config)

    def loss(self, logits: Tensor, targets: Tensor, config: UNetWatershedConfig) -> Mapping[str, Tensor]:
        """Cross-entropy and Dice of both probabilities, and the mean absolute error of the distance.

        That error is averaged over objects and over background, each for itself, so that crowded and empty patches
        count alike; background is 0, which keeps the gaps between objects low.
        """
        masks, found = targets[:, :2], logits[:, :2]
        error = torch.abs(torch.sigmoid(logits[:, 2]) - targets[:, 2])
        inside = targets[:, 0]
        objects = (error * inside).sum() / (inside.sum() + 1)
        background = (error * (1 - inside)).sum() / ((1 - inside).sum() + 1)
        return {
            "bce": nn.functional.binary_cross_entropy_with_logits(found, masks),
            "dice": dice_loss(found, masks),
            "distance": config.distance_weight * (objects + background),
        }

    def decoder(self, config: UNetWatershedConfig) -> str:
        """A watershed from the middles of objects."""
        return "distance-watershed"

    def map_names(self, config: UNetWatershedConfig) -> tuple[str, ...]:
        """As the decoder takes them."""
        return ("foreground", "boundary", "distance")

    def turning(self, config: UNetWatershedConfig) -> Turning:
        """No map tells a direction."""
        return unchanged(len(self.map_names(config)))

    def describe(self, config: UNetWatershedConfig) -> Description:
        """The U-Net's own field."""
        purpose = "objects of any roundish to elongated shape, also where they touch: each is flooded from its middle"
        return Description(purpose, unet_field_px(depth=config.depth), count_parameters(self.network(config)))


METHOD: ObjectMethod = UNetWatershed()
