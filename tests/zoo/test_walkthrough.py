"""docs/walkthrough.md, command by command, on twenty images of the demo set and with a training of ten steps."""

import importlib.util
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import tifffile

from zooscope.data import Dataset
from zooscope.package import open_package

SHORTER = {"training.steps=300": "training.steps=10"}
"""What the page trains, and what this test does."""


@dataclass(frozen=True)
class Walked:
    """A folder in which all of the page was done, and what each block printed, by its first words."""

    folder: Path
    said: dict[str, str]


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """tools/walkthrough.py, which takes the walk."""
    path = Path(__file__).parents[2] / "tools" / "walkthrough.py"
    spec = importlib.util.spec_from_file_location("walkthrough", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def walked(page: ModuleType, demo: Dataset, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Walked:
    """The page's shell blocks after the installation, then its Python, in a folder with the page's names."""
    folder = tmp_path_factory.mktemp("walk")
    page.write_images(folder, demo)
    steps = page.walk(folder, Path(sys.executable), shorter=shorter)
    return Walked(folder, {step.words: step.said for step in steps})


def shorter(block: str) -> str:
    for long, short in SHORTER.items():
        block = block.replace(long, short)
    return block


def test_the_page_has_every_verb_of_the_story_and_its_training_is_the_one_that_is_shortened(page: ModuleType):
    text = "".join(page.blocks("sh"))
    verbs = re.findall(r"^zooscope (\w+)", text, re.MULTILINE)
    assert verbs == ["fetch", "split", "train", "export", "check", "run", "report", "predict"]
    assert all(text.count(long) == 1 for long in SHORTER)


def test_what_the_page_shows_is_what_is_printed(page: ModuleType, walked: Walked):
    fetched, divided = (block for block in page.blocks("") if block.startswith("my-cells@0"))
    for shown, said in ((fetched, walked.said["zooscope fetch"]), (divided, walked.said["zooscope split"])):
        assert re.sub("content [0-9a-f]{12}", "", said) == re.sub("content [0-9a-f]{12}", "", shown)


def test_images_of_one_field_stay_together_and_the_training_sees_its_part_alone(walked: Walked):
    table = pd.read_csv(walked.folder / "my-cells" / "groups.csv", dtype=str)
    assert table["split"].value_counts().to_dict() == {"train": 12, "validation": 4, "test": 4}
    assert table.groupby(table["id"].str.partition("-")[0])["split"].nunique().max() == 1
    about = json.loads((walked.folder / "runs" / "my-cells" / "about.json").read_text())
    (data,) = about["data"]
    assert (data["splits"], data["images"], data["validation_images"]) == (["train"], 12, 4)


def test_curves_and_pictures_are_where_the_page_says(walked: Walked):
    run = walked.folder / "runs" / "my-cells"
    assert all((run / name).is_file() for name in ("curves.png", "best.safetensors"))
    assert sorted(path.name for path in (run / "previews").iterdir()) == ["step-000010.png"]


def test_the_package_is_there_and_passed_its_check(walked: Walked):
    package = open_package(walked.folder / "my-cells.zip")
    assert (package.licence, package.decoder and package.decoder.id) == ("CC-BY-4.0", "stardist")
    for weights in ("pytorch_state_dict", "torchscript", "onnx"):
        assert f"ok: {weights}: passes core's test" in walked.said["zooscope export"]
    levels = {line.partition(":")[0] for line in walked.said["zooscope export"].splitlines()[1:]}
    assert "ok" in levels  # the block ends with the check
    assert "error" not in levels


def test_the_leaderboard_ranks_it_unmarked_beside_the_others(walked: Walked):
    board = json.loads((walked.folder / "reports" / "leaderboards" / "my-cells.json").read_text())
    others = {"stardist-dsb2018", "nuclei-tiny", "baseline-otsu-watershed", "baseline-local-threshold"}
    (mine,) = {row["model"] for row in board["rows"]} - others
    assert len(board["rows"]) == 5
    assert board["failures"] == []
    assert {row["trained_on"] for row in board["rows"]} == {None}
    assert mine == "my-cells"
    home = walked.folder / "reports" / "site" / "benchmarks" / "my-cells"
    assert mine in (home / "board.js").read_text()
    assert len(list(home.glob("pictures-*/*.webp"))) == 4
    assert "site/benchmarks/my-cells/index.html" in walked.said["zooscope report"].replace("\n", "")


def test_new_images_have_label_images_in_the_folder_and_in_python(walked: Walked):
    found = sorted((walked.folder / "labels").iterdir())
    assert [path.name for path in found] == ["plate2-1.tif", "plate2-2.tif"]
    labels = tifffile.imread(found[0])
    assert labels.shape == tifffile.imread(walked.folder / "new" / "plate2-1.tif").shape
    assert f"{labels.max()} objects" in walked.said["python"]
    assert "ap50.per-image@1" in walked.said["python"]
