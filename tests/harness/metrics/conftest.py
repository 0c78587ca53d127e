"""A baseline's answers to real images, with a confidence that has ties; what metrics of objects are tested on."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from zooscope.baselines import otsu_watershed
from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.sample import Sample


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
