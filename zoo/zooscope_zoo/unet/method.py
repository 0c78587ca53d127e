"""The U-Net as a method: settings, targets, losses."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from zooscope.sample import Task
from zooscope_zoo.method import Description, Keeps, NetworkConfig, ObjectMethod, count_parameters
from zooscope_zoo.nn.unet import unet_field_px
from zooscope_zoo.training.boundary import inner_boundary
from zooscope_zoo.training.losses import dice_loss
from zooscope_zoo.turning import Turning, unchanged
from zooscope_zoo.unet.network import UNetNetwork
from zooscope_zoo.unet.weightmap import part_touching, weight_map


class UNetConfig(NetworkConfig):
    """Keyword arguments of `UNetNetwork`, and the loss.

    "cross-entropy" goes with three classes; the others with one or two probabilities. "weighted-bce" takes
    Ronneberger's weight map, and with the foreground alone also his gap between touching objects; "bce-dice" is the sum
    of both.
    """

    output: Literal["foreground", "foreground-boundary", "three-classes"] = "foreground-boundary"
    width: int = Field(default=32, ge=4)
    depth: int = Field(default=4, ge=1, le=6)
    norm: bool = True
    loss: Literal["dice", "bce", "bce-dice", "weighted-bce", "cross-entropy"] = "bce-dice"

    @model_validator(mode="after")
    def _loss_fits(self) -> Self:
        if (self.loss == "cross-entropy") != (self.output == "three-classes"):
            raise ValueError(
                f"loss '{self.loss}' does not go with output '{self.output}'; cross-entropy needs three-classes"
            )
        return self


class UNetMethod:
    """Foreground and boundary of objects; a seeded watershed makes objects of them."""

    id = "unet"
    task = Task.INSTANCE_SEGMENTATION
    keeps: Keeps = "best"
    curve_note = ""
    config = UNetConfig
    architecture = ("zooscope_zoo.nn.unet", "zooscope_zoo.unet.network")
    small = ("network.width=8", "network.depth=2")

    def network(self, config: UNetConfig) -> nn.Module:
        """A new network."""
        return UNetNetwork(**config.model_dump(exclude={"loss"}))

    def multiple_px(self, config: UNetConfig) -> int:
        """2**depth."""
        return 2**config.depth

    def grid(self, config: UNetConfig) -> int:
        """Maps have the image's size."""
        return 1

    def planes(self, labels: NDArray[np.int32], config: UNetConfig) -> NDArray[np.float32]:
        """The weights for "weighted-bce": they need every object's neighbours."""
        if config.loss == "weighted-bce":
            return weight_map(_apart(labels, config))[None]
        return np.zeros((0, *labels.shape), np.float32)

    def targets(
        self, labels: NDArray[np.int32], planes: NDArray[np.float32], config: UNetConfig
    ) -> NDArray[np.float32]:
        """Foreground, boundary (two pixels wide, inside and between objects), and the weights if there are any.

        For three classes the class of each pixel: 0 background, 1 interior, 2 boundary.
        """
        foreground = (_apart(labels, config) > 0).astype(np.float32)
        if config.output == "foreground":
            return np.concatenate([foreground[None], planes])
        boundary = inner_boundary(labels).astype(np.float32)
        if config.output == "three-classes":
            return (foreground + boundary)[None]
        return np.concatenate([foreground[None], boundary[None], planes])

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: UNetConfig) -> Mapping[str, Tensor]:
        """The loss of what the network sees in whole patches."""
        return self.loss(network.logits(images).float(), targets, config)

    def loss(self, logits: Tensor, targets: Tensor, config: UNetConfig) -> Mapping[str, Tensor]:
        """As configured; Dice is taken over the batch, per channel."""
        if config.loss == "cross-entropy":
            return {"cross-entropy": nn.functional.cross_entropy(logits, targets[:, 0].long())}
        truth, terms = targets[:, : logits.shape[1]], dict[str, Tensor]()
        if config.loss != "dice":
            entropy = nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
            terms["bce"] = (entropy * targets[:, -1:]).mean() if config.loss == "weighted-bce" else entropy.mean()
        if config.loss in ("dice", "bce-dice"):
            terms["dice"] = dice_loss(logits, truth)
        return terms

    def decoder(self, config: UNetConfig) -> str:
        """Components of the foreground, or a watershed from foreground without boundary."""
        return "threshold-components" if config.output == "foreground" else "boundary-watershed"

    def map_names(self, config: UNetConfig) -> tuple[str, ...]:
        """Three classes come as two maps as well."""
        return ("foreground",) if config.output == "foreground" else ("foreground", "boundary")

    def turning(self, config: UNetConfig) -> Turning:
        """No map tells a direction."""
        return unchanged(len(self.map_names(config)))

    def describe(self, config: UNetConfig) -> Description:
        """The U-Net's own field."""
        purpose = "objects of any shape; touching ones are told apart by their boundaries"
        return Description(purpose, unet_field_px(depth=config.depth), count_parameters(self.network(config)))


def _apart(labels: NDArray[np.int32], config: UNetConfig) -> NDArray[np.int32]:
    """Labels with a gap between touching objects, where the foreground alone, weighted, has to tell them apart."""
    return part_touching(labels) if (config.output, config.loss) == ("foreground", "weighted-bce") else labels


METHOD: ObjectMethod = UNetMethod()
