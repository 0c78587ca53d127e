"""Predictions and results on disk: whole or not there, and the same bytes for the same content."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from zooscope import atomic, store
from zooscope.data import Dataset
from zooscope.errors import DataError
from zooscope.imagefile import encode_tiff, smallest_labels
from zooscope.store import Predictions, Result, Results, read_result


@pytest.fixture
def predictions(fresh_cache: Path) -> Predictions:
    return Predictions("0" * 64)


def labels_of(demo: Dataset) -> np.ndarray:
    return demo[demo.ids[0]].target


def test_a_prediction_comes_back_with_its_seconds(predictions: Predictions, demo: Dataset):
    labels = labels_of(demo)
    assert not predictions.has("a")
    predictions.put("a", labels, {}, 1.25)
    assert predictions.has("a")
    found, about = predictions.get("a")
    np.testing.assert_array_equal(found, labels)
    assert (found.dtype, about) == (np.int32, {"seconds": 1.25})


@pytest.mark.parametrize("top", [255, 256, 65_535, 65_536, 2_000_000_000])
def test_labels_of_any_size_come_back(predictions: Predictions, top: int):
    labels = np.array([[0, 1, top]], np.int32)
    predictions.put("a", labels, {}, 0)
    np.testing.assert_array_equal(predictions.get("a")[0], labels)


def test_objects_are_a_table_with_a_row_each(predictions: Predictions):
    labels = np.array([[0, 1, 2, 2]], np.int32)
    predictions.put("a", labels, {"score": np.array([0.5, 0.25], np.float32)}, 0)
    table = pd.read_parquet(predictions.folder / "a.parquet")
    assert table.to_dict("list") == {"label": [1, 2], "score": [0.5, 0.25]}
    predictions.put("b", labels * 0, {"score": np.zeros(0, np.float32)}, 0)
    assert len(pd.read_parquet(predictions.folder / "b.parquet")) == 0


def test_a_write_that_fails_half_way_leaves_no_prediction(
    predictions: Predictions, demo: Dataset, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for place, function in ((Path, "write_bytes"), (os, "umask")):
        with monkeypatch.context() as patch:
            patch.setattr(place, function, fail)
            with pytest.raises(OSError, match="No space left"):
                predictions.put("a", labels_of(demo), {}, 0)
        assert not predictions.has("a")
    assert [path for path in predictions.folder.iterdir() if path.suffix == ".tif"] == []


def test_the_label_image_is_written_last(predictions: Predictions, monkeypatch: pytest.MonkeyPatch):
    written: list[str] = []
    monkeypatch.setattr(atomic, "write_bytes", lambda path, content: written.append(path.name))
    predictions.put("a", np.array([[1]], np.int32), {"score": np.ones(1)}, 0)
    assert written == ["a.parquet", "a.tif"]


def test_runs_do_not_share_predictions(fresh_cache: Path):
    Predictions("0" * 64).put("a", np.zeros((2, 2), np.int32), {}, 0)
    assert not Predictions("1" * 64).has("a")


def a_run(**changes: Any) -> dict[str, Any]:
    run = {
        "key": "c" * 64,
        "request": "b" * 64,
        "status": "done",
        "model": {"name": "m", "digest": "a" * 64},
        "dataset": {
            "id": "d",
            "version": "1",
            "split": "test",
            "digest": "e" * 64,
            "card": {"task": "instance-segmentation"},
        },
    }
    return {**run, **changes}


IMAGES = pd.DataFrame(
    {"group": ["g", "007"], "stratum": ["s", "s"], "seconds": [0.1, 0.2], "true": [3.0, 4.0]}, index=["a", "010"]
)
FOUND = {"a": np.array([[0, 1]], np.int32), "010": np.array([[300, 1]], np.int32)}
STORED = {id: encode_tiff(smallest_labels(labels)) for id, labels in FOUND.items()}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "reports")


def test_a_result_comes_back_as_it_was_written(results: Results):
    written = results.write(a_run(), IMAGES, STORED)
    assert written.folder == results.reports / "results" / "d@1" / "test" / "m@aaaaaaaa" / "cccccccc"
    found = results.find("b" * 64, dataset="d@1", split="test")
    assert found is not None
    assert a_run().items() <= found.run.items()
    pd.testing.assert_frame_equal(
        found.images, IMAGES, check_dtype=False, check_names=False, check_index_type=False, check_column_type=False
    )
    assert list(found.images.index) == ["a", "010"], "ids stay text"
    for id, labels in FOUND.items():
        np.testing.assert_array_equal(found.prediction(id), labels)  # type: ignore[arg-type]
    assert not found.failed
    assert results.splits() == [("d@1", "test")]


def test_a_request_is_found_on_its_own_data_and_split_only(results: Results):
    results.write(a_run(), IMAGES, None)
    assert results.find("f" * 64, dataset="d@1", split="test") is None
    assert results.find("b" * 64, dataset="d@2", split="test") is None
    assert results.find("b" * 64, dataset="d@1", split="validation") is None


def test_a_failure_is_kept_and_found_as_one(results: Results):
    failed = results.write(a_run(status="failed", reason="no"), pd.DataFrame(), None)
    assert failed.failed
    assert failed.images.empty
    assert failed.prediction("a") is None
    found = results.find("b" * 64, dataset="d@1", split="test")
    assert found is not None
    assert found.failed
    assert [result.folder for result in results.all(dataset="d@1", split="test")] == [failed.folder]


def test_a_success_takes_the_place_of_the_failure_of_its_request(results: Results):
    failed = results.write(a_run(status="failed", reason="no", key="d" * 64), pd.DataFrame(), None)
    other = results.write(a_run(status="failed", reason="no", key="f" * 64, request="f" * 64), pd.DataFrame(), None)
    done = results.write(a_run(), IMAGES, None)
    assert not failed.folder.exists()
    assert {result.folder for result in results.all(dataset="d@1", split="test")} == {other.folder, done.folder}


def test_a_result_is_replaced_as_a_whole(results: Results):
    first = results.write(a_run(), IMAGES, STORED)
    second = results.write(a_run(status="failed", reason="no"), pd.DataFrame(), None)
    assert second.folder == first.folder
    assert [path.name for path in second.folder.iterdir()] == ["run.json"]


def test_a_write_that_fails_leaves_the_old_result(results: Results, monkeypatch: pytest.MonkeyPatch):
    results.write(a_run(), IMAGES, STORED)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_write_archive", fail)
    with pytest.raises(OSError, match="No space left"):
        results.write(a_run(note="new"), IMAGES, STORED)
    (kept,) = results.all(dataset="d@1", split="test")
    assert "note" not in kept.run
    assert kept.prediction("a") is not None
    assert [path.name for path in kept.folder.parent.iterdir()] == [kept.folder.name]


def test_what_a_killed_process_left_half_written_is_no_result(results: Results):
    whole = results.write(a_run(), IMAGES, STORED)
    half = whole.folder.parent / ".writing-abc"
    half.mkdir()
    (half / "run.json").write_text((whole.folder / "run.json").read_text()[:40])
    (results.root / "x@1" / "test" / "m@1" / ".writing-abc").mkdir(parents=True)
    (results.root / "x@1" / "test" / "m@1" / ".writing-abc" / "run.json").write_text("{")
    assert [result.folder for result in results.all(dataset="d@1", split="test")] == [whole.folder]
    assert results.splits() == [("d@1", "test")]
    assert results.find("b" * 64, dataset="d@1", split="test") is not None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not a result"),
        ('{"schema": "zoosc', "not a result"),
        ("{}", "not a result"),
        ("[]", "not a result"),
        ('"text"', "not a result"),
        (json.dumps({"schema": "zooscope-run@99"}), "schema 'zooscope-run@99', this zooscope reads zooscope-run@2"),
    ],
)
def test_a_broken_record_is_an_error_that_names_it(results: Results, content: str, reason: str):
    folder = results.write(a_run(), IMAGES, None).folder
    (folder / "run.json").write_text(content)
    for read in (lambda: read_result(folder), lambda: list(results.all(dataset="d@1", split="test"))):
        with pytest.raises(DataError) as error:
            read()
        assert str(error.value).startswith(f"{folder}: {reason}")


def test_the_bytes_of_a_result_depend_on_its_content_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def files(result: Result) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in result.folder.iterdir()}

    one = Results(tmp_path / "one").write(a_run(), IMAGES, STORED)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    backwards = dict(reversed(list(a_run().items())))
    two = Results(tmp_path / "two").write(backwards, IMAGES, dict(reversed(list(STORED.items()))))
    assert set(files(one)) == {"run.json", "images.csv", "labels.zip"}
    assert files(one) == files(two)
    other = Results(tmp_path / "three").write(a_run(), IMAGES, {**STORED, "a": encode_tiff(FOUND["a"] + 1)})
    assert files(other)["labels.zip"] != files(one)["labels.zip"]


def test_published_labels_open_in_other_tools(results: Results, tmp_path: Path):
    import zipfile

    with zipfile.ZipFile(results.write(a_run(), IMAGES, STORED).folder / "labels.zip") as archive:
        archive.extractall(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["010.tif", "a.tif"]
    assert tifffile.imread(tmp_path / "out" / "a.tif").dtype == np.uint8
    assert tifffile.imread(tmp_path / "out" / "010.tif").dtype == np.uint16
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "010.tif"), FOUND["010"])


def test_numbers_in_images_csv_are_exact_enough_to_score_again(
    results: Results, make_records: Callable[[], pd.DataFrame]
):
    images = make_records()
    back = results.write(a_run(), images, None).images
    for column in images.columns.drop(["group", "stratum"]):
        np.testing.assert_allclose(back[column], images[column], rtol=1e-8)


@pytest.fixture
def make_records(demo: Dataset) -> Callable[[], pd.DataFrame]:
    """Real records: every demo image against itself, shifted."""
    from zooscope.metrics import measure

    def make() -> pd.DataFrame:
        rows = {
            s.id: {"group": s.group, "stratum": s.stratum, **measure(np.roll(s.target, 3, 0), s.target)} for s in demo
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    return make


def test_images_and_strata_may_be_called_na_or_none(results: Results):
    records = pd.DataFrame(
        {"group": ["null", "b"], "stratum": ["None", "NA"], "seconds": [0.1, np.nan]}, index=["NA", "x"]
    )
    images = results.write(a_run(), records, None).images
    assert list(images.index) == ["NA", "x"]
    assert list(images["stratum"]) == ["None", "NA"]
    assert list(images["group"]) == ["null", "b"]
    assert np.isnan(images["seconds"]["x"])
