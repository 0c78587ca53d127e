"""StarDist that tells objects' classes apart: nuclei of real images, the large from the small ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zooscope import load_model
from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope.errors import UsageError
from zooscope.files import predict_files
from zooscope.metrics.matched_classes import matched_classes
from zooscope.package import open_package
from zooscope_zoo.packaging.export import Publisher, export
from zooscope_zoo.packaging.trained import read_run
from zooscope_zoo.train import train

SMALL_PX, LARGE_PX = 110, 200
"""Nuclei between them are of no class: a network cannot tell what is decided by a few pixels."""
SETTINGS = (
    *("training.steps=500", "training.validate_every=250", "training.learning_rate=0.003"),
    *("training.batch=4", "training.patch_px=128", "training.workers=0"),
    *("network.width=8", "network.depth=2", "network.features=16", "network.rays=16"),
)


def by_size(labels: np.ndarray) -> dict[int, str]:
    """Class of each object but the first, of which nobody said it, and those of middle size."""
    areas = dict(enumerate(np.bincount(labels.ravel())[2:], start=2))
    small = {label: "small" for label, area in areas.items() if 0 < area < SMALL_PX}
    return small | {label: "large" for label, area in areas.items() if area > LARGE_PX}


@pytest.fixture(scope="module")
def folder(demo: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gray demo images with the class of each nucleus."""
    gray = [sample for sample in demo if sample.stratum.startswith("fluorescence")]
    classed = [replace(sample, classes=by_size(sample.target)) for sample in gray]
    path = tmp_path_factory.mktemp("classes") / "nuclei"
    write_folder(
        path, ((sample, "validation" if number % 4 == 2 else "train") for number, sample in enumerate(classed))
    )
    return path


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "stardist"
    changes = (*SETTINGS, "network.classes=small,large")
    train("stardist", [folder], path, changes=changes, progress=False, say=lambda line: None)
    return path


@pytest.fixture(scope="module")
def package(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packages") / "stardist.zip"
    return export(run, path, publisher=Publisher(authors=("a test",), tags=("nuclei",)), progress=False)


def test_the_network_learns_which_objects_are_of_which_class(package: Path, folder: Path):
    model = load_model(package, device="cpu")
    pairs: list[tuple[str, str]] = []
    for sample in load_dataset(folder, split="validation"):
        labels, objects = model.predict(sample.image.values, return_objects=True)
        assert list(objects.columns) == ["label", "score", "class", "class_score"]
        assert list(objects["label"]) == list(range(1, labels.max() + 1))
        pairs += matched_classes(labels, objects["class"].tolist(), sample.target, sample.classes or {})
    assert {true for true, _ in pairs} == {"small", "large"}
    assert sum(true == given for true, given in pairs) > 0.8 * len(pairs) > 20


def test_the_card_tells_how_often_each_class_was_right(package: Path):
    card = open_package(package).card or ""
    assert "| true class | given small | given large |" in card
    assert "The last 2 are the classes small, large." in card


def test_label_files_come_with_a_table_of_classes(package: Path, folder: Path, tmp_path: Path):
    image = sorted((folder / "images").iterdir())[0]
    stack = tmp_path / "stack.npy"
    np.save(stack, np.stack([load_dataset(folder)[image.stem].image.values] * 2))
    (done,) = predict_files(package, [stack], tmp_path / "out", device="cpu", axes="tyx")
    table = pd.read_csv(tmp_path / "out" / "stack.csv")
    assert list(table.columns) == ["plane", "label", "score", "class", "class_score"]
    assert len(table) == done.objects
    assert list(table["plane"].unique()) == [0, 1]
    assert set(table["class"]) <= {"small", "large"}
    assert table["class_score"].between(0.5, 1).all()


def test_without_classes_no_table_is_written(folder: Path, tmp_path: Path):
    image = sorted((folder / "images").iterdir())[0]
    list(predict_files("nuclei-tiny", [image], tmp_path / "out", device="cpu"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{image.stem}.tif"]


def test_the_specs_operation_knows_no_classes(run: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="stardist_postprocessing knows no classes of objects; export the maps"):
        export(run, tmp_path / "x.zip", with_postprocessing=True, progress=False)
    assert read_run(run).classes == ("small", "large")
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        ("small,big", "class 'large' is not one of network.classes (small, big)"),
        ("small,large,huge", "no object of class 'huge' is in the images to train on"),
        ("small", "two classes or more, each once, are expected"),
        ("small,small", "two classes or more, each once, are expected"),
    ],
)
def test_classes_that_the_data_does_not_have_are_refused(folder: Path, tmp_path: Path, classes: str, reason: str):
    with pytest.raises(UsageError) as error:
        train("stardist", [folder], tmp_path / "run", changes=(*SETTINGS, f"network.classes={classes}"), progress=False)
    assert reason in str(error.value)
    assert not (tmp_path / "run").exists()


def test_data_without_classes_is_refused_and_classes_that_are_not_learned_are_named(folder: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"data set 'demo' has no classes\.csv"):
        train("stardist", ["demo"], tmp_path / "run", changes=(*SETTINGS, "network.classes=a,b"), progress=False)
    said: list[str] = []
    short = (*SETTINGS, "training.steps=1")
    train("stardist", [folder], tmp_path / "run", changes=short, progress=False, say=said.append)
    assert any("network.classes=large,small would learn" in line for line in said)
