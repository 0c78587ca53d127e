"""The example image of a package: for its test tensors and its cover. From the embedded demo set, which is CC0."""

import numpy as np
from numpy.typing import NDArray

from zooscope.channels import to_channels
from zooscope.data import load_dataset
from zooscope.sample import Sample
from zooscope_zoo.packaging.trained import Trained
from zooscope_zoo.training.images import normalise

EDGE_PX = 256


def example(trained: Trained) -> Sample:
    """The demo image with the most objects of those that are gray, or RGB for a network that takes RGB."""
    axes = "yxc" if trained.settings.channels == 3 else "yx"
    fitting = [sample for sample in load_dataset("demo") if sample.axes == axes]
    return max(fitting, key=lambda sample: (len(np.unique(sample.target)), sample.id))


def example_input(sample: Sample, trained: Trained) -> NDArray[np.float32]:
    """Its upper left corner as a batch (1, c, y, x), in its own range; about 256 px, a size that the network takes."""
    image = to_channels(sample.image, trained.settings.channels).astype(np.float32)
    size = trained.sizes.at_most(EDGE_PX)
    image = image[:, :size, :size]
    pads = [(0, size - length) for length in image.shape[1:]]
    return np.pad(image, [(0, 0), *pads], mode="reflect")[None]


def example_ready(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """A batch (1, c, y, x) normalised as the package's own preprocessing does."""
    return normalise(raw[0])[None]
