"""Method: what the training loop and the packaging need to know of a trainable method, and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from zooscope.data import Dataset
from zooscope.sample import Task
from zooscope_zoo.training.normalisation import Normalisation
from zooscope_zoo.turning import Turning

Keeps = Literal["best", "last"]
"""Which weights become the package: those of the lowest validation loss, or the last."""


class NetworkConfig(BaseModel):
    """Base of a method's own settings; they are the keyword arguments that packages state for the network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: Literal[1, 3] = 1

    @property
    def space(self) -> str:
        """Axes of space of what the network takes: "yx", or "zyx" of volumes."""
        return "yx"


@dataclass(frozen=True)
class Description:
    """What a method is for.

    Attributes
    ----------
    receptive_field_px : edge of the square of input pixels that decide one output pixel.
    """

    purpose: str
    receptive_field_px: int
    parameters: int


class Method(Protocol):
    """A trainable method; an object of the entry-point group `zooscope.methods`, one folder each.

    The network's `forward` gives the dense maps with activations inside; its `logits` gives what the loss takes. What
    a task needs besides stands in `ObjectMethod` and `RestorationMethod`.
    """

    @property
    def id(self) -> str:
        """The entry point's name. Plain attributes do, for all properties."""
        ...

    @property
    def task(self) -> Task:
        """What it learns to do."""
        ...

    @property
    def keeps(self) -> Keeps:
        """Which weights become the package."""
        ...

    @property
    def curve_note(self) -> str:
        """What a reader of its loss curve must know, a line on the plot; may be empty."""
        ...

    @property
    def config(self) -> type[NetworkConfig]:
        """The model of its own settings."""
        ...

    @property
    def architecture(self) -> tuple[str, ...]:
        """Modules, the method's network last, that travel in a package's architecture file."""
        ...

    @property
    def small(self) -> tuple[str, ...]:
        """Settings under which the conformance suite trains in seconds."""
        ...

    def network(self, config: Any) -> nn.Module:
        """A new network."""
        ...

    def multiple_px(self, config: Any) -> int:
        """Sizes of images that the network takes are multiples of this."""
        ...

    def grid(self, config: Any) -> int:
        """Pixels of the image, along an edge, to one of the maps."""
        ...

    def terms(self, network: Any, images: Tensor, targets: Tensor, config: Any) -> Mapping[str, Tensor]:
        """Terms of the loss by name, their sum is minimised; half-precision logits are brought to float32 first."""
        ...

    def decoder(self, config: Any) -> str:
        """Id of the decoder that makes objects of the maps."""
        ...

    def map_names(self, config: Any) -> tuple[str, ...]:
        """A name for each map; Python identifiers, because older versions of the spec refuse other names."""
        ...

    def describe(self, config: Any) -> Description:
        """Receptive field, parameters, purpose."""
        ...


class ObjectMethod(Method, Protocol):
    """What learns to find objects."""

    def planes(self, labels: NDArray[np.int32], config: Any) -> NDArray[np.float32]:
        """What is computed once for a whole label image (y, x) and turns with it: (k, y, x), k may be 0."""
        ...

    def targets(self, labels: NDArray[np.int32], planes: NDArray[np.float32], config: Any) -> NDArray[np.float32]:
        """Targets (t, y / grid, x / grid) of a patch, from its labels (y, x) and planes (k, y, x)."""
        ...

    def loss(self, logits: Tensor, targets: Tensor, config: Any) -> Mapping[str, Tensor]:
        """The terms, from what the network's `logits` gave."""
        ...

    def turning(self, config: Any) -> Turning:
        """What becomes of its maps when the image is turned; UsageError where they do not turn with it."""
        ...


@runtime_checkable
class LearnsUnlabelled(Protocol):
    """An ObjectMethod that also learns from images without labels: there every pixel of its labels is UNLABELLED."""

    def takes_unlabelled(self, config: Any) -> bool:
        """Whether it does so under these settings."""
        ...


@runtime_checkable
class LearnsClasses(Protocol):
    """An ObjectMethod that also learns of which class an object is; then the last of its planes tells it of each pixel.

    There 0 is background, 1 and so on are the classes in their order, UNLABELLED is an object whose class nobody said.
    """

    def classes(self, config: Any) -> tuple[str, ...]:
        """Those that it tells apart under these settings, if any."""
        ...


@runtime_checkable
class MayBeLost(Protocol):
    """A method whose trainings now and then lead nowhere, and show it early: then they begin anew."""

    def lost(self, losses: Mapping[str, float]) -> str:
        """Why a training must begin anew, by the losses of its last validation; empty where it need not."""
        ...


@dataclass(frozen=True)
class Taught:
    """What another run gives to a training that learns from it.

    Attributes
    ----------
    by : the run, as the settings name it.
    normalisation : by which its images were scaled.
    data : what it was trained on, as `about.json` tells it.
    """

    by: str
    normalisation: Normalisation
    data: tuple[Mapping[str, Any], ...]


@runtime_checkable
class LearnsFromRun(Protocol):
    """A RestorationMethod that learns from what another run's network makes of images scaled as that run's were."""

    def taught(self, config: Any, *, patch_px: int) -> Taught:
        """What that run gives; UsageError where it cannot teach under these settings, or on patches of that size."""
        ...


UNLABELLED = -1
"""In a label image: what is there nobody has said."""

Teacher = Literal["clean", "noisy", "itself"]
"""What a restoration's target is: the clean image, another noisy image of the same scene, or the noisy image itself."""


class RestorationMethod(Method, Protocol):
    """What learns to restore images; its maps are the image's channels, restored, then what else it tells of them."""

    @property
    def teacher(self) -> Teacher:
        """What it learns from."""
        ...

    @property
    def centred(self) -> bool:
        """Whether the training images' mean becomes zero; else zero stays zero, as what counts photons wants it."""
        ...

    @property
    def scaled_alike(self) -> str:
        """Why all images must be scaled alike; empty where each may be by its own percentiles."""
        ...

    def intensities(self, config: Any) -> int:
        """How many of its maps, from the first, are intensities; the others are deviations, whose zero is nothing."""
        ...

    def further_maps(self, config: Any) -> str:
        """What the maps beyond the image's channels are, as a sentence of the package's card; empty without any."""
        ...

    def measured(
        self,
        config: Any,
        data: Sequence[tuple[Dataset, Sequence[str]]],
        normalisation: Normalisation,
        *,
        say: Callable[[str], None],
    ) -> Mapping[str, Tensor]:
        """What the network holds that is not learned but measured before the first step (a noise model), by its name
        in the state dict; `data` are the data sets with the ids to train on. Not asked where each image is scaled by
        its own percentiles.
        """
        ...


@runtime_checkable
class WeighsByNoise(Protocol):
    """A method whose package weighs what its network answers by a noise model, that of its setting `noise_model`."""

    def noise_weights(self, config: Any, normalisation: Normalisation) -> Mapping[str, Tensor]:
        """The noise model of the setting's file, by its names in the network's state dict."""
        ...


def count_parameters(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(parameter.numel() for parameter in network.parameters())
