"""StarDist as a method: settings, targets, loss."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from skimage.segmentation import relabel_sequential
from torch import Tensor, nn

from zooscope.errors import UsageError
from zooscope.sample import Task
from zooscope_zoo.method import Description, Keeps, NetworkConfig, ObjectMethod, count_parameters
from zooscope_zoo.nn.grid_unet import grid_unet_field_px
from zooscope_zoo.stardist.network import StarDistNetwork
from zooscope_zoo.turning import Turning, around


class StarDistConfig(NetworkConfig):
    """Keyword arguments of `StarDistNetwork`.

    `classes` are those that objects have in the data sets' classes.csv, where they are to be told apart.
    """

    rays: int = Field(default=32, ge=8, le=128)
    grid: Literal[1, 2, 4] = 2
    width: int = Field(default=32, ge=4)
    depth: int = Field(default=3, ge=1, le=5)
    features: int = Field(default=128, ge=4)
    norm: bool = True
    classes: list[str] = Field(default_factory=list)  # as JSON keeps it

    @field_validator("classes", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value

    @field_validator("classes")
    @classmethod
    def _apart(cls, value: list[str]) -> list[str]:
        if value and (len(set(value)) < 2 or len(set(value)) < len(value) or "" in value):
            raise ValueError("two classes or more, each once, are expected")
        return value


class StarDist:
    """Star-convex objects: every pixel votes with its probability and its distances to the object's outline."""

    id = "stardist"
    task = Task.INSTANCE_SEGMENTATION
    keeps: Keeps = "best"
    curve_note = ""
    config = StarDistConfig
    architecture = ("zooscope_zoo.nn.unet", "zooscope_zoo.nn.grid_unet", "zooscope_zoo.stardist.network")
    small = ("network.width=8", "network.depth=2", "network.features=16", "training.steps=800")

    def network(self, config: StarDistConfig) -> nn.Module:
        """A new network."""
        return StarDistNetwork(**config.model_dump())

    def multiple_px(self, config: StarDistConfig) -> int:
        """The grid, times two for each pooling of the U-Net."""
        return config.grid * 2**config.depth

    def grid(self, config: StarDistConfig) -> int:
        """As configured."""
        return config.grid

    def classes(self, config: StarDistConfig) -> tuple[str, ...]:
        """As configured."""
        return tuple(config.classes)

    def planes(self, labels: NDArray[np.int32], config: StarDistConfig) -> NDArray[np.float32]:
        """None: distances change with the patch that cuts an object."""
        return np.zeros((0, *labels.shape), np.float32)

    def targets(
        self, labels: NDArray[np.int32], planes: NDArray[np.float32], config: StarDistConfig
    ) -> NDArray[np.float32]:
        """Probability (distance to the outline, scaled to 1 at each object's middle), distances in pixels, class."""
        from stardist.geometry import star_dist
        from stardist.utils import edt_prob

        g = config.grid
        if labels.max(initial=0) > np.iinfo(np.uint16).max:  # star_dist takes no wider integers
            labels = relabel_sequential(labels)[0]
        rays = np.asarray(star_dist(labels.astype(np.uint16), config.rays, grid=(g, g)))
        targets = np.empty((1 + config.rays + bool(config.classes), *rays.shape[:2]), np.float32)
        targets[0] = edt_prob(labels)[::g, ::g]
        targets[1 : 1 + config.rays] = np.moveaxis(rays, -1, 0)
        if config.classes:
            targets[-1] = planes[-1, ::g, ::g]
        return targets

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: StarDistConfig) -> Mapping[str, Tensor]:
        """The loss of what the network sees in whole patches."""
        return self.loss(network.logits(images).float(), targets, config)

    def loss(self, logits: Tensor, targets: Tensor, config: StarDistConfig) -> Mapping[str, Tensor]:
        """Cross-entropy of the probability, 0.2 times the distances' error, and the cross-entropy of the class.

        That error is the mean absolute one weighted by the true probability, so that pixels deep inside count most;
        background adds 1e-4 times the mean absolute distance, which keeps them small there. The class counts inside
        objects of a known one, weighted likewise.
        """
        end = 1 + config.rays
        probability, distances = targets[:, :1], targets[:, 1:end]
        entropy = nn.functional.binary_cross_entropy_with_logits(logits[:, :1], probability)
        error = (torch.abs(logits[:, 1:end] - distances).mean(1, keepdim=True) * probability).sum()
        error = error / (probability.sum() + 1e-6)
        background = (torch.abs(logits[:, 1:end]).mean(1, keepdim=True) * (probability == 0)).mean()
        terms = {"probability": entropy, "distance": 0.2 * (error + 1e-4 * background)}
        if config.classes:
            truth = targets[:, end].long()
            weight = probability[:, 0] * (truth > 0)
            wrong = nn.functional.cross_entropy(logits[:, end:], (truth - 1).clamp(min=0), reduction="none")
            terms["class"] = (wrong * weight).sum() / (weight.sum() + 1e-6)
        return terms

    def decoder(self, config: StarDistConfig) -> str:
        """Non-maximum suppression of polygons."""
        return "stardist"

    def map_names(self, config: StarDistConfig) -> tuple[str, ...]:
        """Probability, the distances along the rays, the classes by their numbers."""
        rays, classes = range(config.rays), range(1, len(config.classes) + 1)
        return ("probability", *(f"ray_{number}" for number in rays), *(f"class_{number}" for number in classes))

    def turning(self, config: StarDistConfig) -> Turning:
        """Rays change places; classes stay."""
        if config.rays % 4:
            raise UsageError(
                f"stardist: {config.rays} rays do not turn with the image; it takes a number of them that 4 divides"
            )
        classes = tuple((1 + config.rays + number, 1) for number in range(len(config.classes)))
        flip_y, flip_x, transpose = (
            ((0, 1), *((1 + ray, 1) for ray in rays), *classes) for rays in around(config.rays)
        )
        return Turning(flip_y, flip_x, transpose)

    def describe(self, config: StarDistConfig) -> Description:
        """The body's field."""
        field = grid_unet_field_px(grid=config.grid, depth=config.depth)
        purpose = "roundish (star-convex) objects such as nuclei, also where they touch"
        return Description(purpose, field, count_parameters(self.network(config)))


METHOD: ObjectMethod = StarDist()
