"""Formats: a trained network in all weights formats, its test tensors, and the proof that the formats agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zooscope.predict.backends import onnx_network
from zooscope.sample import Sample
from zooscope_zoo.packaging.architecture import Architecture, architecture
from zooscope_zoo.packaging.example import example, example_input, example_ready
from zooscope_zoo.packaging.parity import Agreement, prove_parity, state_dict_network
from zooscope_zoo.packaging.trained import Trained
from zooscope_zoo.packaging.weights import ONNX, STATE_DICT, weights_files
from zooscope_zoo.training.normalisation import Normalisation
from zooscope_zoo.training.own_percentiles import AnyNormalisation


@dataclass(frozen=True)
class Formats:
    """What a package runs.

    Attributes
    ----------
    files : the weights files and architecture.py, by name.
    sample, raw, ready : the example image, its part (1, c, y, x) that is the test input, and that part normalised; of
        volumes (1, c, z, y, x).
    channels_last : the maps are (1, y, x, c) instead of (1, c, y, x).
    tta : they are the mean over the image's flips and rotations.
    normalisation : of images that are restored; the package undoes that of the training set.
    intensities : how many of the maps have the images' zero.
    """

    architecture: Architecture
    files: Mapping[str, bytes]
    sample: Sample
    raw: NDArray[np.float32]
    ready: NDArray[np.float32]
    parity: tuple[Agreement, ...]
    channels_last: bool
    tta: bool
    normalisation: AnyNormalisation | None = None
    intensities: int | None = None

    @cached_property
    def maps(self) -> NDArray[np.float32]:
        """The network's answer to the test input, the same on every machine and with any number of threads."""
        return state_dict_network(self.files[STATE_DICT], self.architecture, double=True)(self.ready)

    @property
    def output(self) -> NDArray[np.float32]:
        """The package's answer to the test input: the maps, in the images' units where operations undo the scaling."""
        if not isinstance(self.normalisation, Normalisation):
            return self.maps
        return self.normalisation.undone(self.maps, intensities=self.intensities)

    @cached_property
    def onnx_maps(self) -> NDArray[np.float32]:
        """The same by ONNX Runtime."""
        return onnx_network(self.files[ONNX], device="cpu")(self.ready)

    @property
    def channels(self) -> int:
        """Number of maps."""
        return self.maps.shape[-1 if self.channels_last else 1]


def make_formats(trained: Trained, *, channels_last: bool = False, tta: bool = False) -> Formats:
    """Derive and prove all formats; ZooscopeError where they cannot be made or disagree."""
    code = architecture(trained, channels_last=channels_last, tta=tta)
    files = weights_files(trained, code)
    sample = example(trained)
    raw = example_input(sample, trained)
    ready = example_ready(raw, trained)
    parity = prove_parity(files, code, ready, sizes=[trained.sizes_of(axis) for axis in trained.space])
    return Formats(
        code, files, sample, raw, ready, tuple(parity), channels_last, tta, trained.normalisation, trained.intensities
    )
