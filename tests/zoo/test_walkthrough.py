"""docs/walkthrough.md, command by command, on twenty images of the demo set and with a training of two steps."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from zooscope.data import Dataset
from zooscope.package import open_package
from zooscope.sample import Sample

PAGE = Path(__file__).parents[2] / "docs" / "walkthrough.md"
INSTALL = "pip install ."
SHORTER = {"training.steps=800": "training.steps=2 --set network.width=8 --set network.features=16"}
"""What the page trains, and what this test does."""


@dataclass(frozen=True)
class Walked:
    """A folder in which all of the page was done, and what each block printed, by its first words."""

    folder: Path
    said: dict[str, str]


def blocks(language: str) -> list[str]:
    """The page's fenced blocks of a language ("" for those without), in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def write_pair(folder: Path, name: str, sample: Sample, columns: slice) -> None:
    """Some columns of a sample as an image and its mask, as other programs save them."""
    for kind, array in (("images", sample.image.values), ("masks", sample.target.astype(np.uint16))):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / kind / f"{name}.tif", array[:, columns])


@pytest.fixture(scope="module")
def walked(demo: Dataset, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Walked:
    """The page's shell blocks after the installation, then its Python, in a folder with the page's names."""
    folder = tmp_path_factory.mktemp("walk")
    gray = [sample for sample in demo if sample.axes == "yx"]
    for number, sample in enumerate(gray, start=1):
        half = sample.image.sizes["x"] // 2
        write_pair(folder / "my-cells", f"field{number:02}-1", sample, slice(None, half))
        write_pair(folder / "my-cells", f"field{number:02}-2", sample, slice(half, None))
    (folder / "new").mkdir()
    for number, sample in enumerate(gray[:2], start=1):
        tifffile.imwrite(folder / "new" / f"plate2-{number}.tif", np.rot90(sample.image.values))
    first, *commands = blocks("sh")
    assert first == f"{INSTALL}\n"
    (python,) = blocks("python")
    said: dict[str, str] = {}
    for block in commands:
        said[" ".join(block.split()[:2])] = walk(["bash", "-euo", "pipefail", "-c", shorter(block)], folder)
    said["python"] = walk([sys.executable, "-c", python], folder)
    return Walked(folder, said)


def walk(command: list[str], folder: Path) -> str:
    """What a command prints; it must end with exit code 0."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "COLUMNS": "120"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def shorter(block: str) -> str:
    for long, short in SHORTER.items():
        block = block.replace(long, short)
    return block


def test_the_page_has_every_verb_of_the_story_and_its_training_is_the_one_that_is_shortened():
    text = "".join(blocks("sh"))
    verbs = re.findall(r"^zooscope (\w+)", text, re.MULTILINE)
    assert verbs == ["fetch", "split", "train", "export", "check", "run", "report", "predict"]
    assert all(text.count(long) == 1 for long in SHORTER)


def test_what_the_page_shows_is_what_is_printed(walked: Walked):
    fetched, divided = (block for block in blocks("") if block.startswith("my-cells@0"))
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
    assert [path.name for path in (run / "previews").iterdir()] == ["step-000002.png"]


def test_the_package_is_there_and_passed_its_check(walked: Walked):
    package = open_package(walked.folder / "my-cells.zip")
    assert set(package.weights) == {"pytorch_state_dict", "torchscript", "onnx"}
    assert (package.licence, package.decoder and package.decoder.id) == ("CC-BY-4.0", "stardist")
    levels = {line.partition(":")[0] for line in walked.said["zooscope export"].splitlines()[1:]}
    assert "ok" in levels  # the block ends with the check
    assert "error" not in levels


def test_the_leaderboard_ranks_it_unmarked_beside_the_others(walked: Walked):
    board = json.loads((walked.folder / "reports" / "leaderboards" / "my-cells.json").read_text())
    others = {"nuclei-tiny", "baseline-otsu-watershed", "baseline-local-threshold"}
    (mine,) = {row["model"] for row in board["rows"]} - others
    assert len(board["rows"]) == 4
    assert board["failures"] == []
    assert {row["trained_on"] for row in board["rows"]} == {None}
    assert mine == "my-cells"
    page = (walked.folder / "reports" / "site" / "my-cells.html").read_text()
    assert mine in page
    assert page.count("data:image/png") >= 3
    assert "site/my-cells.html" in walked.said["zooscope report"].replace("\n", "")


def test_new_images_have_label_images_in_the_folder_and_in_python(walked: Walked):
    found = sorted((walked.folder / "labels").iterdir())
    assert [path.name for path in found] == ["plate2-1.tif", "plate2-2.tif"]
    labels = tifffile.imread(found[0])
    assert labels.shape == tifffile.imread(walked.folder / "new" / "plate2-1.tif").shape
    assert f"{labels.max()} objects" in walked.said["python"]
    assert "ap50.per-image@1" in walked.said["python"]
