"""DenoiSeg as a method: settings, targets, loss."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from zooscope.sample import Task
from zooscope_zoo.denoiseg.network import DenoiSegNetwork
from zooscope_zoo.method import UNLABELLED, Description, Keeps, NetworkConfig, ObjectMethod, count_parameters
from zooscope_zoo.nn.unet import unet_field_px
from zooscope_zoo.training.blind_spots import blind_spots
from zooscope_zoo.training.boundary import inner_boundary
from zooscope_zoo.turning import Turning, unchanged

CLASSES = 3
"""Background, interior, boundary: the first channels of the head; the image follows."""

LOSS = {"alpha", "boundary_weight", "share", "radius_px"}
"""Settings that the loss takes and the network does not."""


class DenoiSegConfig(NetworkConfig):
    """Keyword arguments of `DenoiSegNetwork`, and the loss.

    `alpha` is the part of denoising in it, 0 is the same network learning from labels alone; `share` and `radius_px`
    are those of `blind_spots`.
    """

    width: int = Field(default=32, ge=4)
    depth: int = Field(default=4, ge=1, le=6)
    norm: bool = True
    alpha: float = Field(default=0.5, ge=0, lt=1)
    boundary_weight: float = Field(default=5.0, gt=0)
    share: float = Field(default=0.02, gt=0, lt=0.5)
    radius_px: int = Field(default=2, ge=1, le=10)


class DenoiSeg:
    """One network foretells hidden pixels of every image, as Noise2Void does, and the classes of labelled ones.

    Buchholz, Prakash et al. 2020, arXiv:2005.02987.
    """

    id = "denoiseg"
    task = Task.INSTANCE_SEGMENTATION
    keeps: Keeps = "best"
    curve_note = "the part of denoising has a floor, the variance of the noise"
    config = DenoiSegConfig
    architecture = ("zooscope_zoo.nn.unet", "zooscope_zoo.denoiseg.network")
    small = ("network.width=8", "network.depth=2")

    def takes_unlabelled(self, config: DenoiSegConfig) -> bool:
        """Wherever it learns to denoise."""
        return config.alpha > 0

    def network(self, config: DenoiSegConfig) -> nn.Module:
        """A new network."""
        return DenoiSegNetwork(**config.model_dump(exclude=LOSS))

    def multiple_px(self, config: DenoiSegConfig) -> int:
        """2**depth."""
        return 2**config.depth

    def grid(self, config: DenoiSegConfig) -> int:
        """Maps have the image's size."""
        return 1

    def planes(self, labels: NDArray[np.int32], config: DenoiSegConfig) -> NDArray[np.float32]:
        """None."""
        return np.zeros((0, *labels.shape), np.float32)

    def targets(
        self, labels: NDArray[np.int32], planes: NDArray[np.float32], config: DenoiSegConfig
    ) -> NDArray[np.float32]:
        """The class of each pixel: 0 background, 1 interior, 2 boundary, UNLABELLED where nobody said."""
        classes = np.where(labels == UNLABELLED, UNLABELLED, (labels > 0) + inner_boundary(labels).astype(np.int32))
        return classes[None].astype(np.float32)

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: DenoiSegConfig) -> Mapping[str, Tensor]:
        """The loss of the classes, and alpha times the mean squared error over blind spots.

        That error is divided by the variance of the batch, as if the images had been scaled to a variance of 1, so that
        alpha means the same for bright and dim images. Without denoising no pixel is hidden.
        """
        if config.alpha == 0:
            return self.loss(network.logits(images).float(), targets, config)
        hidden, spots = blind_spots(images, share=config.share, radius_px=config.radius_px, replacement="uniform")
        logits = network.logits(hidden).float()
        error = ((logits[:, CLASSES:] - images) ** 2 * spots).sum() / (spots.sum() * images.shape[1])
        denoising = config.alpha * error / images.var().clamp(min=1e-6)
        return {**self.loss(logits, targets, config), "denoising": denoising}

    def loss(self, logits: Tensor, targets: Tensor, config: DenoiSegConfig) -> Mapping[str, Tensor]:
        """1 - alpha times the cross-entropy over labelled pixels, those of the boundary counting more."""
        weights = logits.new_tensor([1.0, 1.0, config.boundary_weight])
        classes = targets[:, 0].long()
        entropy = nn.functional.cross_entropy(
            logits[:, :CLASSES], classes, weights, ignore_index=UNLABELLED, reduction="sum"
        )
        known = classes != UNLABELLED
        total = (weights[classes.clamp(min=0)] * known).sum().clamp(min=1)
        return {"cross-entropy": (1 - config.alpha) * entropy / total}

    def decoder(self, config: DenoiSegConfig) -> str:
        """A watershed from foreground without boundary."""
        return "boundary-watershed"

    def map_names(self, config: DenoiSegConfig) -> tuple[str, ...]:
        """What the decoder takes first, then the image's channels."""
        denoised = ("denoised",) if config.channels == 1 else ("denoised_red", "denoised_green", "denoised_blue")
        return ("foreground", "boundary", *denoised)

    def turning(self, config: DenoiSegConfig) -> Turning:
        """No map tells a direction."""
        return unchanged(len(self.map_names(config)))

    def describe(self, config: DenoiSegConfig) -> Description:
        """The U-Net's own field."""
        purpose = "objects in noisy images of which few are labelled; the others teach it to denoise"
        return Description(purpose, unet_field_px(depth=config.depth), count_parameters(self.network(config)))


METHOD: ObjectMethod = DenoiSeg()
