"""Verify: a row repeats as it was made, and whatever was changed in it, its data or its model is found and named."""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from zooscope import scoring
from zooscope.data import Dataset
from zooscope.errors import DataError, UsageError
from zooscope.imagefile import encode_tiff
from zooscope.metrics import RECORDS
from zooscope.record import RUN, RunRecord, sealed
from zooscope.rows import plan_rows, run_row
from zooscope.store import DETECTIONS, IMAGES, OBJECTS, Result, Results, read_result
from zooscope.verify import rows_in, verify
from zooscope_zoo.shipped import NUCLEI_TINY

OTSU = "baseline:otsu-watershed@1"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reports folder with the rows of nuclei-tiny and a baseline on the demo set."""
    from zooscope.data import load_dataset

    reports = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOOSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        for row in plan_rows(["nuclei-tiny", OTSU], load_dataset("demo"), device="cpu"):
            run_row(row, Results(reports))
    return reports


@pytest.fixture
def rows(made: Path, tmp_path: Path, fresh_cache: Path) -> dict[str, Path]:
    """Copies of the rows by model, to be spoiled, on a machine whose cache is empty."""
    shutil.copytree(made, tmp_path / "reports")
    return {str(read_result(folder).run["model"]["name"]): folder for folder in rows_in(tmp_path / "reports")}


def said(folder: Path, **options: Any) -> dict[str, tuple[str, str]]:
    """What is found, by what it is about."""
    return {finding.about: (finding.level, finding.text) for finding in verify(folder, **options)}


def reseal(folder: Path, change: Callable[[dict[str, Any]], None] = lambda run: None) -> None:
    """Edit a record and seal it again, as one who knows how would."""
    run = json.loads((folder / RUN).read_text())
    change(run)
    (folder / RUN).write_text(json.dumps(sealed(run, folder)))


def test_a_row_repeats_on_a_machine_that_never_saw_it(rows: dict[str, Path]):
    for folder in rows.values():
        found = said(folder)
        assert {level for level, _ in found.values()} == {"ok"}, found
        assert set(found) == {"record", "data", "scores", "model", "predictions"}
        assert found["predictions"][1].startswith("3 images predicted again, the same in every pixel")


def test_every_row_is_valid_by_the_schema_in_the_docs(rows: dict[str, Path]):
    from zooscope.record import json_schema

    for folder in rows.values():
        RunRecord.model_validate_json((folder / RUN).read_text())
    docs = Path(__file__).parents[2] / "docs" / "run.schema.json"
    assert docs.read_text() == json_schema(), "write it anew: python tools/run_schema.py"


def test_an_edited_record_is_found_by_whoever_reads_it(rows: dict[str, Path]):
    folder = rows["nuclei-tiny"]
    text = (folder / RUN).read_text()
    (folder / RUN).write_text(text.replace('"seconds_per_image": ', '"seconds_per_image": 9'))
    assert said(folder)["record"] == ("error", f"{folder}: {RUN} was changed after it was written; restore it, or "
                                      "delete it and run again")  # fmt: skip
    with pytest.raises(DataError, match="was changed after it was written"):
        list(Results(folder.parents[4]).all(dataset="demo@1", split="test"))


def test_an_edited_score_is_found_even_where_the_record_was_sealed_again(rows: dict[str, Path]):
    folder = rows["nuclei-tiny"]
    table = pd.read_csv(folder / IMAGES, dtype=str).set_index("id")
    table.loc[table.index[1], "tp50"] = str(float(table["tp50"].iloc[1]) + 1)
    table.to_csv(folder / IMAGES)
    assert "images.csv: was changed" in said(folder)["record"][1]
    with pytest.raises(DataError, match=r"images\.csv: was changed"):
        _ = read_result(folder).images
    reseal(folder)
    level, text = said(folder)["scores"]
    assert level == "error"
    assert f"image {table.index[1]}: tp50 is" in text


def test_a_changed_pixel_of_a_stored_label_image_is_found(rows: dict[str, Path]):
    folder = rows["nuclei-tiny"]
    result = read_result(folder)
    labels: dict[str, np.ndarray] = {id: result.prediction(id) for id in result.images.index}  # type: ignore[misc]
    first = next(iter(labels))
    where = np.argwhere(labels[first] > 0)[0]
    labels[first][tuple(where)] = 0
    with zipfile.ZipFile(folder / "labels.zip", "w") as archive:
        for id, array in labels.items():
            archive.writestr(f"{id}.tif", encode_tiff(array.astype(np.uint16)))
    assert "labels.zip: was changed" in said(folder)["record"][1]
    reseal(folder)
    level, text = said(folder)["scores"]
    assert level == "error"
    assert f"image {first}: " in text


def test_a_package_with_one_changed_weight_is_not_the_rows_model(rows: dict[str, Path], tmp_path: Path):
    with zipfile.ZipFile(NUCLEI_TINY()) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    before = files["weights.pt"]
    network = torch.jit.load(io.BytesIO(before))
    next(iter(network.parameters())).data.view(-1)[0] += 0.01
    files["weights.pt"] = network.save_to_buffer()
    old, new = (hashlib.sha256(files_).hexdigest().encode() for files_ in (before, files["weights.pt"]))
    files["rdf.yaml"] = files["rdf.yaml"].replace(old, new)
    with zipfile.ZipFile(tmp_path / "nuclei-tiny.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    folder = rows["nuclei-tiny"]
    assert said(folder, model=str(NUCLEI_TINY()))["model"][0] == "ok"
    level, text = said(folder, model=str(tmp_path / "nuclei-tiny.zip"))["model"]
    assert (level, text.endswith("other weights, processing or decoder")) == ("error", True)


def test_predictions_that_the_model_does_not_make_are_found(rows: dict[str, Path]):
    folder, other = rows["nuclei-tiny"], rows["baseline-otsu-watershed"]
    for name in (IMAGES, "labels.zip", DETECTIONS):
        shutil.copy(other / name, folder / name)
    (folder / OBJECTS).unlink()
    reseal(folder)
    found = said(folder)
    assert found["scores"][0] == "ok", "the scores are those of the label images"
    level, text = found["predictions"]
    assert level == "error"
    assert "of objects agree at IoU >= 0.9, at least 99% must" in text


def test_detections_that_the_labels_do_not_give_are_found(rows: dict[str, Path]):
    folder, other = rows["nuclei-tiny"], rows["baseline-otsu-watershed"]
    shutil.copy(other / DETECTIONS, folder / DETECTIONS)
    reseal(folder)
    assert said(folder, images=0)["scores"] == ("error", f"{DETECTIONS} is not what the stored predictions give")


def test_other_data_of_the_same_name_is_said(rows: dict[str, Path]):
    folder = rows["nuclei-tiny"]
    reseal(folder, lambda run: run["dataset"].update(digest="0" * 64))
    level, text = said(folder)["data"]
    assert (level, "content c773dfc936fe here, 000000000000 in the row" in text) == ("error", True)


def test_a_record_without_what_it_needs_is_named(rows: dict[str, Path]):
    folder = rows["nuclei-tiny"]
    reseal(folder, lambda run: run["model"].pop("digest"))
    assert said(folder)["record"] == ("error", "model.digest: Field required")


def test_a_package_that_is_not_shipped_has_to_be_named(rows: dict[str, Path]):
    folder = rows["nuclei-tiny"]
    reseal(folder, lambda run: run["model"].update(name="somebody-elses"))
    level, text = said(folder)["model"]
    assert (level, "name its package with --model" in text) == ("warning", True)
    assert said(folder, model="nuclei-tiny")["predictions"][0] == "ok"


def test_a_folder_without_rows_is_said(tmp_path: Path):
    with pytest.raises(UsageError, match=r"no row of results \(a folder with run\.json\)"):
        rows_in(tmp_path)


def test_a_row_of_older_records_is_scored_again_from_its_label_images_and_not_predicted(
    rows: dict[str, Path], demo: Dataset, monkeypatch: pytest.MonkeyPatch
):
    folder = rows["nuclei-tiny"]
    before = read_result(folder).images
    reports = folder.parents[4]
    table = pd.read_csv(folder / IMAGES, dtype=str).drop(columns=["above50", "aji_shared"])
    table.to_csv(folder / IMAGES, index=False)
    reseal(folder, lambda run: run.update(records="instance-segmentation@1"))
    assert "`zooscope run` scores the stored predictions again" in said(folder, images=0)["scores"][1]
    monkeypatch.setattr("zooscope.predict.process.ModelProcess.__init__", lambda *_, **__: pytest.fail("predicted"))
    (row,) = plan_rows(["nuclei-tiny"], demo, device="cpu")
    result: Result = run_row(row, Results(reports))
    assert result.run["records"] == RECORDS[demo.card.task]
    assert not scoring.is_stale(result)
    pd.testing.assert_frame_equal(result.images, before)
