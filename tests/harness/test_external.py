"""Label images of other tools: scored as a row, or an error that names the file; nothing in between."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from zooscope.baselines.thresholds import otsu_watershed
from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.errors import DataError, UsageError, ZooscopeError
from zooscope.external import score_folder
from zooscope.metrics import find_metric, metrics_of
from zooscope.report.board import make_board
from zooscope.rows import evaluate
from zooscope.sample import Task
from zooscope.store import Results


@pytest.fixture
def results(tmp_path: Path, fresh_cache: Path) -> Results:
    return Results(tmp_path / "reports")


@pytest.fixture
def write_labels(tmp_path: Path, demo: Dataset) -> Callable[..., Path]:
    """Writes what a tool might have made of the test split; by default the truth itself."""

    def write(of: Callable[..., np.ndarray] = lambda sample: sample.target, *, suffix: str = ".tif") -> Path:
        folder = tmp_path / "theirs"
        folder.mkdir(exist_ok=True)
        for sample in demo.only("test"):
            path = folder / f"{sample.id}{suffix}"
            np.save(path, of(sample)) if suffix == ".npy" else tifffile.imwrite(path, of(sample))
        return folder

    return write


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_the_truth_itself_scores_one(write_labels: Callable[..., Path], demo: Dataset, results: Results, suffix: str):
    result = score_folder(write_labels(suffix=suffix), demo.only("test"), name="oracle", results=results)
    table = make_board([result], demo.card).table()
    assert set(table["model"]) == {"oracle"}
    best = table["metric"].map(lambda name: 1.0 if find_metric(name).higher_is_better else 0.0)
    assert (table["score"] == best)[table["subset"] == "all"].all()
    assert len(table[table["subset"] == "all"]) == len(metrics_of(Task.INSTANCE_SEGMENTATION))
    assert result.run["seconds_per_image"] is None
    assert result.run["trained_on"] is None
    np.testing.assert_array_equal(result.prediction(demo.only("test").ids[0]), demo[demo.only("test").ids[0]].target)


@pytest.mark.parametrize("value", [1, 255])
def test_foreground_masks_are_not_scored_as_one_object_an_image(
    write_labels: Callable[..., Path], demo: Dataset, results: Results, value: int
):
    folder = write_labels(lambda sample: ((sample.target > 0) * value).astype(np.uint8))
    with pytest.raises(DataError, match=r"no image has more than one label.*skimage\.measure\.label"):
        score_folder(folder, demo.only("test"), name="x", results=results)
    assert not results.splits()


def test_labels_of_a_baseline_score_as_the_baseline_does(
    write_labels: Callable[..., Path], demo: Dataset, results: Results
):
    folder = write_labels(lambda s: otsu_watershed(to_channels(s.image, 1)[0].astype(np.float32)).astype(np.uint16))
    theirs = score_folder(folder, demo.only("test"), name="other-tool", results=results)
    evaluate("baseline:otsu-watershed@1", demo, device="cpu", reports=results.reports)
    ours = next(r for r in results.all(dataset="demo@1", split="test") if r.run["model"]["name"] != "other-tool")
    np.testing.assert_array_equal(theirs.images.drop(columns="seconds"), ours.images.drop(columns="seconds"))


def test_the_same_labels_are_scored_once(
    write_labels: Callable[..., Path], demo: Dataset, results: Results, monkeypatch: pytest.MonkeyPatch
):
    folder, test = write_labels(), demo.only("test")
    first = score_folder(folder, test, name="oracle", results=results)
    monkeypatch.setattr("zooscope.scoring.measure", lambda *_, **__: pytest.fail("scored again"))
    assert score_folder(folder, test, name="oracle", results=results).folder == first.folder


def test_what_a_tool_was_trained_on_marks_its_row(write_labels: Callable[..., Path], demo: Dataset, results: Results):
    folder, test = write_labels(), demo.only("test")
    marked = score_folder(folder, test, name="oracle", results=results, trained=["dsb2018"])
    assert marked.run["trained_on"] == "its training data is declared as 'dsb2018'"
    other = score_folder(folder, test, name="oracle", results=results, trained=["bbbc006"])
    assert other.run["trained_on"] is None
    assert other.folder != marked.folder


def missing(folder: Path, id: str, target: np.ndarray) -> None:
    (folder / f"{id}.tif").unlink()


def other_shape(folder: Path, id: str, target: np.ndarray) -> None:
    tifffile.imwrite(folder / f"{id}.tif", target[:-1])


def fractions(folder: Path, id: str, target: np.ndarray) -> None:
    tifffile.imwrite(folder / f"{id}.tif", target.astype(np.float32) / 2)


def negative(folder: Path, id: str, target: np.ndarray) -> None:
    tifffile.imwrite(folder / f"{id}.tif", -target.astype(np.int16))


def yes_no(folder: Path, id: str, target: np.ndarray) -> None:
    (folder / f"{id}.tif").unlink()
    np.save(folder / f"{id}.npy", target > 0)


def damaged(folder: Path, id: str, target: np.ndarray) -> None:
    (folder / f"{id}.tif").write_bytes(b"damaged")


def jpeg(folder: Path, id: str, target: np.ndarray) -> None:
    (folder / f"{id}.tif").rename(folder / f"{id}.jpg")


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (missing, "1 of 10 images of demo@1, split test, have no label image; the first is {id}.tif"),
        (other_shape, "{id}.tif: labels of shape "),
        (fractions, "{id}.tif: labels hold NaN, infinity or fractions; whole numbers are expected"),
        (negative, "{id}.tif: labels from -"),
        (yes_no, "{id}.npy: a yes/no mask, not a label image"),
        (damaged, "{id}.tif: cannot be read as tif"),
        (jpeg, "have no label image"),
    ],
)
def test_an_image_that_is_no_answer_is_named_and_nothing_is_written(
    write_labels: Callable[..., Path],
    demo: Dataset,
    results: Results,
    spoil: Callable[[Path, str, np.ndarray], None],
    text: str,
):
    folder, test = write_labels(), demo.only("test")
    id = test.ids[-1]
    spoil(folder, id, test[id].target)
    with pytest.raises(DataError) as error:
        score_folder(folder, test, name="theirs", results=results)
    assert text.format(id=id) in str(error.value)
    assert "\n" not in str(error.value)
    assert not results.reports.exists()


@pytest.mark.parametrize("name", ["", "a/b", "../up", "a b", ".", "..", "-", "näme/"])
def test_a_name_that_could_not_be_a_folder_is_refused(
    write_labels: Callable[..., Path], demo: Dataset, results: Results, name: str
):
    with pytest.raises(UsageError, match=r"letters, digits, '-', '_' and '\.' are allowed"):
        score_folder(write_labels(), demo.only("test"), name=name, results=results)
    assert not results.reports.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, demo: Dataset, results: Results):
    with pytest.raises(ZooscopeError, match="nowhere: no such folder"):
        score_folder(tmp_path / "nowhere", demo.only("test"), name="x", results=results)


def test_files_beyond_the_split_are_left_alone(write_labels: Callable[..., Path], demo: Dataset, results: Results):
    folder = write_labels()
    (folder / "notes.txt").write_text("hello")
    shutil.copy(next(folder.glob("*.tif")), folder / "another.tif")
    assert len(score_folder(folder, demo.only("test"), name="oracle", results=results).images) == 10
