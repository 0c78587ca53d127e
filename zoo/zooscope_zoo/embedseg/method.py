"""EmbedSeg as a method: settings, targets, loss."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from skimage.measure import label
from torch import Tensor, nn

from zooscope.sample import Task
from zooscope_zoo.embedseg.centres import medoids
from zooscope_zoo.embedseg.loss import embedding_loss
from zooscope_zoo.embedseg.network import EmbedSegNetwork, embedseg_field_px
from zooscope_zoo.method import Description, Keeps, NetworkConfig, ObjectMethod, count_parameters
from zooscope_zoo.turning import Turning, vectors


class EmbedSegConfig(NetworkConfig):
    """Keyword arguments of `EmbedSegNetwork`."""

    width: int = Field(default=16, ge=4)
    blocks: int = Field(default=5, ge=1)
    dilations: list[Annotated[int, Field(ge=1)]] = Field(default=[2, 4, 8, 16, 2, 4, 8, 16], min_length=1)


class EmbedSeg:
    """Objects of any shape: every pixel points at its object's centre and tells how near to it is near enough."""

    id = "embedseg"
    task = Task.INSTANCE_SEGMENTATION
    keeps: Keeps = "best"
    curve_note = ""
    config = EmbedSegConfig
    architecture = ("zooscope_zoo.embedseg.network",)
    small = (
        *("network.width=8", "network.blocks=1", "network.dilations=[1]"),
        *("training.steps=700", "training.learning_rate=2e-3"),
    )

    def network(self, config: EmbedSegConfig) -> nn.Module:
        """A new network."""
        return EmbedSegNetwork(**config.model_dump())

    def multiple_px(self, config: EmbedSegConfig) -> int:
        """Two for each of the three halvings."""
        return 8

    def grid(self, config: EmbedSegConfig) -> int:
        """Maps have the image's size."""
        return 1

    def planes(self, labels: NDArray[np.int32], config: EmbedSegConfig) -> NDArray[np.float32]:
        """None: centres change with the patch that cuts an object."""
        return np.zeros((0, *labels.shape), np.float32)

    def targets(
        self, labels: NDArray[np.int32], planes: NDArray[np.float32], config: EmbedSegConfig
    ) -> NDArray[np.float32]:
        """Instances numbered 1..n, and 1 at their medoids.

        An object in parts, as a border or a mirrored margin leaves it, is as many instances: one centre could not hold
        them together without claiming what lies between.
        """
        parts = np.asarray(label(labels, connectivity=2), np.int32)
        targets = np.zeros((2, *labels.shape), np.float32)
        targets[0] = parts
        targets[1][tuple(medoids(parts).T)] = 1
        return targets

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: EmbedSegConfig) -> Mapping[str, Tensor]:
        """The loss of what the network sees in whole patches."""
        return self.loss(network.logits(images).float(), targets, config)

    def loss(self, logits: Tensor, targets: Tensor, config: EmbedSegConfig) -> Mapping[str, Tensor]:
        """Lovasz hinge of the instances, variance of their sigmas, error of the seeds."""
        return embedding_loss(logits, targets)

    def decoder(self, config: EmbedSegConfig) -> str:
        """Clustering of the embeddings from the best seed on."""
        return "embedseg"

    def map_names(self, config: EmbedSegConfig) -> tuple[str, ...]:
        """Seed, and offsets and margins in pixels."""
        return ("seed", "offset_y", "offset_x", "margin_y", "margin_x")

    def turning(self, config: EmbedSegConfig) -> Turning:
        """Offsets turn with the image; the margins change places when y and x do."""
        found = vectors(1, after=2)
        return replace(found, transpose=(*found.transpose[:3], (4, 1), (3, 1)))

    def describe(self, config: EmbedSegConfig) -> Description:
        """The encoder's and one decoder's field."""
        field = embedseg_field_px(blocks=config.blocks, dilations=config.dilations)
        purpose = "objects of any shape and of sizes that differ, also where they touch"
        return Description(purpose, field, count_parameters(self.network(config)))


METHOD: ObjectMethod = EmbedSeg()
