"""What methods that restore images have in common, and those among them whose network is a `Denoiser`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Literal, Self, TypeVar

from pydantic import Field, model_validator
from torch import Tensor, nn

from zooscope.data import Dataset
from zooscope.sample import Task
from zooscope_zoo.method import Description, Keeps, NetworkConfig, count_parameters
from zooscope_zoo.nn.denoiser import Denoiser, denoiser_field_px
from zooscope_zoo.training.normalisation import Normalisation

Config = TypeVar("Config", bound=NetworkConfig)


class Restoration(ABC, Generic[Config]):
    """Base of a method whose maps are the image."""

    task = Task.RESTORATION
    keeps: Keeps = "best"
    curve_note = ""
    centred = True
    scaled_alike = ""
    purpose: str

    @abstractmethod
    def network(self, config: Config) -> nn.Module:
        """A new network."""

    @abstractmethod
    def field_px(self, config: Config) -> int:
        """Edge of the receptive field, in pixels."""

    def intensities(self, config: Config) -> int:
        """The image's channels."""
        return config.channels

    def further_maps(self, config: Config) -> str:
        """There are none."""
        return ""

    def measured(
        self,
        config: Config,
        data: Sequence[tuple[Dataset, Sequence[str]]],
        normalisation: Normalisation,
        *,
        say: Callable[[str], None],
    ) -> Mapping[str, Tensor]:
        """Nothing: all is learned."""
        return {}

    def grid(self, config: Config) -> int:
        """The restored image has the image's size."""
        return 1

    def decoder(self, config: Config) -> str:
        """The maps are the image."""
        return "image"

    def map_names(self, config: Config) -> tuple[str, ...]:
        """The image's channels."""
        return ("restored",) if config.channels == 1 else ("red", "green", "blue")

    def describe(self, config: Config) -> Description:
        """Its receptive field, its parameters, its purpose."""
        return Description(self.purpose, self.field_px(config), count_parameters(self.network(config)))


class DenoiserConfig(NetworkConfig):
    """Keyword arguments of `Denoiser`."""

    width: int = Field(default=32, ge=4)
    depth: int = Field(default=2, ge=1, le=5)
    kernel: Literal[3, 5, 7] = 3
    norm: bool = False
    residual: bool = True


class VolumeConfig(DenoiserConfig):
    """The same, of a network of images or, with 3 `dimensions`, of gray volumes."""

    dimensions: Literal[2, 3] = 2

    @property
    def space(self) -> str:
        """Of images or of volumes."""
        return "zyx" if self.dimensions == 3 else "yx"

    @model_validator(mode="after")
    def _gray(self) -> Self:
        if self.dimensions == 3 and self.channels != 1:
            raise ValueError("a network of volumes (dimensions=3) has one channel")
        return self


Settings = TypeVar("Settings", bound=DenoiserConfig)


class DenoiserMethod(Restoration[Settings]):
    """Base of a method whose network is a `Denoiser`."""

    architecture: tuple[str, ...] = ("zooscope_zoo.nn.denoiser",)
    small: tuple[str, ...] = ("network.width=8", "network.depth=1")

    def network(self, config: Settings) -> nn.Module:
        """A new network."""
        return Denoiser(**config.model_dump())

    def multiple_px(self, config: Settings) -> int:
        """Two for each pooling."""
        return 2**config.depth

    def field_px(self, config: Settings) -> int:
        """The U-Net's own field."""
        return denoiser_field_px(depth=config.depth, kernel=config.kernel)
