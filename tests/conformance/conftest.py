"""Every method of the entry-point group, small enough to train in seconds; and a package of each, made once."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from zooscope import plugins
from zooscope.data import load_dataset
from zooscope.data.folder import write_folder
from zooscope.sample import Task
from zooscope_zoo.method import LearnsFromRun, Method
from zooscope_zoo.packaging.export import Publisher, export
from zooscope_zoo.packaging.trained import Trained, read_run
from zooscope_zoo.train import train
from zooscope_zoo.training.curves import History

torch.set_num_threads(1)

QUICK = ("training.batch=2", "training.patch_px=64", "training.warmup_steps=5", "training.workers=0", "augment.noise=0")

LONG_ENOUGH = (
    *("training.steps=350", "training.validate_every=175", "training.warmup_steps=5", "training.learning_rate=5e-3"),
    *("training.batch=2", "training.patch_px=96", "training.workers=0", "training.strata=fluorescence-*"),
    *("augment.gain=[1, 1]", "augment.offset=[0, 0]", "augment.zoom=[1, 1]", "augment.noise=0"),
)
"""To find most objects of the demo set; a method that needs more says so in its `small` settings."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test for every method, or for those of the task that its marker names."""
    if "method" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("task")
    tasks = {Task(name) for name in marker.args} if marker else set(Task)
    names = [name for name in plugins.names("methods") if plugins.load("methods", name).task in tasks]
    metafunc.parametrize("method", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def method(request: pytest.FixtureRequest) -> Method:
    """One method after the other."""
    return plugins.load("methods", request.param)


@pytest.fixture(scope="session")
def training_set(method: Method) -> str:
    """Id of the embedded data set that a method can learn from."""
    return "demo-noisy" if method.task is Task.RESTORATION else "demo"


@pytest.fixture(scope="session")
def two_images(method: Method, training_set: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two gray images as a user's folder."""
    folder = tmp_path_factory.mktemp("two") / "images-of-one's-own"
    gray = [sample for sample in load_dataset(training_set, split="test") if sample.axes == "yx"][:2]
    write_folder(folder, [(sample, "test") for sample in gray], task=method.task)
    return folder


@pytest.fixture(scope="session")
def taught(method: Method, training_set: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The setting that names a run to learn from, for a method that needs one."""
    if not isinstance(method, LearnsFromRun):
        return ()
    folder, teacher = tmp_path_factory.mktemp("teachers") / "hdn", plugins.load("methods", "hdn")
    settings = (*LONG_ENOUGH, *teacher.small)
    train(teacher.id, [training_set], folder, changes=settings, progress=False, say=lambda line: None)
    return (f"network.teacher={folder}",)


@pytest.fixture(scope="session")
def train_quickly(two_images: Path, taught: tuple[str, ...]) -> Callable[..., History]:
    """`train_quickly(method, folder, steps, ...)`: train on those images without waiting."""

    def run(method: Method, folder: Path, steps: int, *changes: str, resume: bool = False) -> History:
        settings = (*method.small, *taught, *QUICK, f"training.steps={steps}", *changes)
        return train(
            method.id, [two_images], folder, changes=settings, resume=resume, progress=False, say=lambda line: None
        )

    return run


@pytest.fixture(scope="session")
def run(method: Method, training_set: str, taught: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the gray images of the demo set."""
    folder = tmp_path_factory.mktemp("runs") / method.id
    settings = (*LONG_ENOUGH, *method.small, *taught)
    train(method.id, [training_set], folder, changes=settings, progress=False, say=lambda line: None)
    return folder


@pytest.fixture(scope="session")
def trained(run: Path) -> Trained:
    """What that run has learned."""
    return read_run(run)


@pytest.fixture(scope="session")
def package(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That run as a package."""
    publisher = Publisher(authors=("a test",), tags=("nuclei",))
    return export(run, tmp_path_factory.mktemp("packages") / f"{run.name}.zip", publisher=publisher)


@pytest.fixture(scope="session")
def files(package: Path) -> dict[str, bytes]:
    """The package's files by name."""
    with zipfile.ZipFile(package) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="session")
def rdf(files: dict[str, bytes]) -> dict[str, Any]:
    """The package's description."""
    return yaml.safe_load(files["rdf.yaml"])
