"""Small runs on the demo set, trained for seconds, and the packages made of them once a session."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from zooscope_zoo.packaging.export import Publisher, export
from zooscope_zoo.train import train

torch.set_num_threads(1)

TINY = (
    "training.steps=2",
    "training.validate_every=2",
    "training.patch_px=64",
    "training.workers=0",
    "network.width=4",
)
UNET = (*TINY, "network.depth=2", "training.strata=fluorescence-*")
RGB = (*TINY, "network.depth=1", "network.channels=3", "network.output=three-classes", "network.loss=cross-entropy")
STARDIST = (
    *("training.steps=80", "training.validate_every=40", "training.warmup_steps=5", "training.learning_rate=0.01"),
    *("training.batch=2", "training.patch_px=96", "training.workers=0", "training.strata=fluorescence-*"),
    *("network.width=8", "network.depth=2", "network.features=8", "network.rays=8"),
)
"""Enough for probabilities that differ, so that rounding does not decide which polygon wins."""

PUBLISHER = Publisher(authors=("a test",), tags=("nuclei",))


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Trains a method on the demo set, with settings; returns the run's folder."""

    def make(method: str, *changes: str, data: str = "demo") -> Path:
        folder = tmp_path_factory.mktemp("runs") / method
        train(method, [data], folder, changes=changes, progress=False, say=lambda line: None)
        return folder

    return make


@pytest.fixture(scope="session")
def unet_run(make_run: Callable[..., Path]) -> Path:
    """A gray U-Net."""
    return make_run("unet", *UNET)


@pytest.fixture(scope="session")
def stardist_run(make_run: Callable[..., Path]) -> Path:
    """A StarDist with eight rays and a grid of 2."""
    return make_run("stardist", *STARDIST)


@pytest.fixture(scope="session")
def care_run(make_run: Callable[..., Path]) -> Path:
    """A CARE that has hardly begun."""
    return make_run("care", *TINY, "network.depth=1", data="demo-noisy")


@pytest.fixture(scope="session")
def laplace_run(make_run: Callable[..., Path]) -> Path:
    """The same with uncertainty."""
    return make_run("care", *TINY, "network.depth=1", "network.loss=laplace", data="demo-noisy")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the packages that all tests share."""
    return tmp_path_factory.mktemp("packages")


@pytest.fixture(scope="session")
def rgb_package(make_run: Callable[..., Path], packages: Path) -> Path:
    """A U-Net with three classes for RGB images, as a package."""
    return export(make_run("unet", *RGB), packages / "rgb.zip", publisher=PUBLISHER)


@pytest.fixture(scope="session")
def stardist_package(stardist_run: Path, packages: Path) -> Path:
    """StarDist as a package of dense maps."""
    return export(stardist_run, packages / "stardist.zip", publisher=PUBLISHER)


@pytest.fixture(scope="session")
def labels_package(stardist_run: Path, packages: Path) -> Path:
    """StarDist as a package whose own postprocessing gives labels."""
    return export(stardist_run, packages / "labels.zip", with_postprocessing=True, publisher=PUBLISHER)
