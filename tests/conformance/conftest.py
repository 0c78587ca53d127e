"""Every method of the entry-point group, small enough to train in seconds, on two images."""

from collections.abc import Callable
from pathlib import Path

import pytest

from zooscope import plugins
from zooscope.data import Dataset
from zooscope.data.folder import write_folder
from zooscope_zoo.method import Method
from zooscope_zoo.train import train
from zooscope_zoo.training.curves import History

QUICK = ("training.batch=2", "training.patch_px=64", "training.warmup_steps=5", "training.workers=0", "augment.noise=0")


@pytest.fixture(scope="session", params=plugins.names("methods"))
def method(request: pytest.FixtureRequest) -> Method:
    """One method after the other."""
    return plugins.load("methods", request.param)


@pytest.fixture(scope="session")
def two_images(demo: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two gray images as a user's folder."""
    folder = tmp_path_factory.mktemp("two") / "images-of-one's-own"
    write_folder(folder, [(sample, "test") for sample in demo.only("test") if sample.axes == "yx"][:2])
    return folder


@pytest.fixture(scope="session")
def train_quickly(two_images: Path) -> Callable[..., History]:
    """`train_quickly(method, folder, steps, ...)`: train on those images without waiting."""

    def run(method: Method, folder: Path, steps: int, *changes: str, resume: bool = False) -> History:
        settings = (*method.small, *QUICK, f"training.steps={steps}", *changes)
        return train(
            method.id, [two_images], folder, changes=settings, resume=resume, progress=False, say=lambda line: None
        )

    return run
