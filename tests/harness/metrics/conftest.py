"""Restored images of a kind: the demo set under noise, and what metrics make of them."""

from collections.abc import Callable

import numpy as np
import pytest

from zooscope.data import Dataset
from zooscope.metrics import restoration
from zooscope.metrics.image_pair import ImagePair

Images = list[tuple[np.ndarray, np.ndarray]]
Score = Callable[[str, Images], float]


@pytest.fixture(scope="session")
def restored(demo: Dataset) -> Images:
    """Prediction and truth of each demo image, ten gray and three coloured: dimmed, shifted and under noise.

    Of each 176 x 208 pixels, enough for MS-SSIM, whose four halvings they survive without a remainder.
    """
    rng = np.random.default_rng(4)
    clean = [sample.image.to_numpy()[:176, :208] for sample in demo]
    return [(0.9 * image + 4 + rng.normal(0, 12, image.shape), image) for image in clean]


@pytest.fixture(scope="session")
def score() -> Score:
    """The score of predictions and truths in a metric of restoration, by its name without the version."""
    family_of = {metric.name: (metric, family) for family in restoration.FAMILIES for metric in family.metrics()}

    def reduce(name: str, images: Images) -> float:
        metric, family = family_of[f"{name}@1"]
        values = [family.measure(ImagePair.of(prediction, truth))[name] for prediction, truth in images]
        return metric.reduce({name: np.array(values)})

    return reduce
