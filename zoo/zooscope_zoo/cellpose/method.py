"""Cellpose as a method: settings, targets, loss."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from zooscope.decode.cellpose_flows import FLOW_SCALE, flows_of_labels
from zooscope.sample import Task
from zooscope_zoo.cellpose.network import CellposeNetwork, cellpose_field_px
from zooscope_zoo.method import Description, Keeps, NetworkConfig, ObjectMethod, count_parameters
from zooscope_zoo.turning import Turning, vectors


class CellposeConfig(NetworkConfig):
    """Keyword arguments of `CellposeNetwork`.

    `style` lets the whole image steer every pixel, as Cellpose's own networks do; then tiles, each with a style of its
    own, do not give exactly what the whole image gives.
    """

    width: int = Field(default=32, ge=4)
    depth: int = Field(default=3, ge=1, le=5)
    style: bool = False
    blank_channels: int = Field(default=0, ge=0, le=1)


class Cellpose:
    """Flows lead each pixel to its object's centre; pixels that meet are one object."""

    id = "cellpose"
    task = Task.INSTANCE_SEGMENTATION
    keeps: Keeps = "best"
    curve_note = ""
    config = CellposeConfig
    architecture = ("zooscope_zoo.cellpose.network",)
    small = ("network.width=8", "network.depth=2")

    def network(self, config: CellposeConfig) -> nn.Module:
        """A new network."""
        return CellposeNetwork(**config.model_dump())

    def multiple_px(self, config: CellposeConfig) -> int:
        """2**depth."""
        return 2**config.depth

    def grid(self, config: CellposeConfig) -> int:
        """Maps have the image's size."""
        return 1

    def planes(self, labels: NDArray[np.int32], config: CellposeConfig) -> NDArray[np.float32]:
        """None: flows turn with the patch, and change where it cuts an object."""
        return np.zeros((0, *labels.shape), np.float32)

    def targets(
        self, labels: NDArray[np.int32], planes: NDArray[np.float32], config: CellposeConfig
    ) -> NDArray[np.float32]:
        """Unit flow along y and x (0 in the background), and 1 inside objects."""
        return np.concatenate([flows_of_labels(labels), (labels > 0)[None]], dtype=np.float32)

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: CellposeConfig) -> Mapping[str, Tensor]:
        """The loss of what the network sees in whole patches."""
        return self.loss(network.logits(images).float(), targets, config)

    def loss(self, logits: Tensor, targets: Tensor, config: CellposeConfig) -> Mapping[str, Tensor]:
        """Half the mean squared error of five times the flow, and the cross-entropy of the cell probability."""
        flow = 0.5 * nn.functional.mse_loss(logits[:, :2], FLOW_SCALE * targets[:, :2])
        return {"flow": flow, "cell": nn.functional.binary_cross_entropy_with_logits(logits[:, 2], targets[:, 2])}

    def decoder(self, config: CellposeConfig) -> str:
        """Pixels that follow their flow to the same place are one object."""
        return "cellpose-flows"

    def map_names(self, config: CellposeConfig) -> tuple[str, ...]:
        """Cellpose's own order."""
        return ("flow_y", "flow_x", "cell_logit")

    def turning(self, config: CellposeConfig) -> Turning:
        """The flow turns with the image."""
        return vectors(0, after=1)

    def describe(self, config: CellposeConfig) -> Description:
        """The residual U-Net's field; a style sees the whole image besides."""
        purpose = "objects of any compact or elongated shape, such as cells and nuclei, also where they touch"
        return Description(purpose, cellpose_field_px(depth=config.depth), count_parameters(self.network(config)))


METHOD: ObjectMethod = Cellpose()
