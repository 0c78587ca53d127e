"""What metrics are tested on: a baseline's answers to real images, and real images dimmed and under noise."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from zooscope.baselines.thresholds import otsu_watershed
from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.metrics import restoration
from zooscope.metrics.image_pair import ImagePair
from zooscope.sample import Sample

Images = list[tuple[np.ndarray, np.ndarray]]
Score = Callable[[str, Images], float]


@dataclass(frozen=True)
class Answer:
    """Label images, and the contrast of each predicted object in steps of a tenth."""

    found: np.ndarray
    truth: np.ndarray
    scores: np.ndarray


def answer(samples: Iterable[Sample]) -> list[Answer]:
    """As in tools/coco_reference.py, so that its figures may stand in tests."""
    answers = []
    for sample in samples:
        gray = to_channels(sample.image, 1)[0].astype(np.float32)
        labels = otsu_watershed(gray)
        means = np.asarray(ndimage.mean(gray, labels, np.arange(1, labels.max() + 1))).reshape(-1)
        scores = np.abs(means - gray.mean()) / max(float(np.ptp(gray)), 1.0)
        answers.append(Answer(labels, sample.target, np.round(scores, 1)))
    return answers


@pytest.fixture(scope="session")
def answers(demo: Dataset) -> list[Answer]:
    """Of the demo's test split."""
    return answer(demo.only("test"))


@pytest.fixture(scope="session")
def dsb2018_answers(dsb2018: Dataset) -> list[Answer]:
    """Of the test split, where a mirror has it."""
    return answer(dsb2018.only("test"))


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
