"""A small network that draws, trained for seconds."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from zooscope.data import load_dataset
from zooscope_zoo.drawing.sampler import Sampler, open_sampler
from zooscope_zoo.train import train

SMALL = (
    *("network.levels=2", "network.width=16", "network.latent=8", "training.steps=60", "training.batch=2"),
    *("training.validate_every=60", "training.workers=0", "training.warmup_steps=5"),
)


@pytest.fixture(scope="session")
def hdn_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run."""
    folder = tmp_path_factory.mktemp("drawing") / "hdn"
    train("hdn", ["demo-noisy"], folder, changes=SMALL, progress=False, say=lambda line: None)
    return folder


@pytest.fixture(scope="session")
def sampler(hdn_run: Path) -> Sampler:
    """Its network, ready to draw."""
    return open_sampler(hdn_run, device="cpu")


@pytest.fixture(scope="session")
def image() -> NDArray[np.generic]:
    """A noisy image whose size no network takes as it is."""
    return next(iter(load_dataset("demo-noisy", split="test"))).image.values[:93, :110]
