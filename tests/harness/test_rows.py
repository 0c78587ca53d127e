"""Rows: computed once, resumed after a kill, tuned on the validation split alone, and keyed by all that decides."""

import filecmp
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import zooscope
from zooscope import rows as rows_module
from zooscope import scoring, tune
from zooscope.baselines import find_baseline
from zooscope.data import Dataset, dataset, load_dataset
from zooscope.decoding import Decoders
from zooscope.decoding.process import DecoderProcess
from zooscope.errors import DataError, UsageError, WorkerError
from zooscope.metrics import measure, metrics_of
from zooscope.model import Model
from zooscope.package import open_package
from zooscope.predict import process
from zooscope.rows import Row, evaluate, expected_seconds, plan_rows, run_row
from zooscope.sample import Task
from zooscope.store import Predictions, Result, Results

MakePackage = Callable[..., Path]
MakeFolder = Callable[..., Path]

OTSU, LOCAL = "baseline:otsu-watershed@1", "baseline:local-threshold@1"


@pytest.fixture(autouse=True)
def _own_cache(fresh_cache: Path) -> None:
    """Every test here begins with an empty cache."""


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    return tmp_path / "reports"


def files_of(*folders: Path) -> dict[Path, tuple[int, int, int]]:
    """Every file with what changes when it is written again."""
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_ino, path.stat().st_size)
        for folder in folders for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


def only_result(reports: Path, data: str, split: str = "test") -> Result:
    (result,) = Results(reports).all(dataset=data, split=split)
    return result


def without_seconds(result: Result) -> pd.DataFrame:
    return result.images.drop(columns="seconds")


@pytest.fixture
def quick_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four combinations to tune over, in place of dozens."""
    from zooscope.decode import threshold_components

    monkeypatch.setattr(threshold_components, "SEARCH", {"threshold": (0.3, 0.7), "min_size_px": (0, 16)})


class InThisProcess:
    """A model without a process of its own, where that is not what a test is about: it starts in no time."""

    def __init__(
        self, path: Path, *, time_limit_s: float, memory_limit_gib: float | None = None, **options: Any
    ) -> None:
        self._model = Model(open_package(path), **options)

    def __enter__(self) -> "InThisProcess":
        return self

    def __exit__(self, *_: object) -> None: ...

    def maps(self, image: xr.DataArray) -> np.ndarray:
        return self._model.maps(image)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "ModelProcess", InThisProcess)


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("this was done already")


@pytest.mark.usefixtures("quick_search", "in_this_process")
def test_a_second_identical_run_computes_nothing(
    make_package: MakePackage, demo: Dataset, reports: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    models = [OTSU, make_package(tags=["dsb2018"])]
    first = evaluate(models, demo, device="cpu", reports=reports)
    kept = files_of(reports, fresh_cache)
    assert len(kept) > 20
    monkeypatch.setattr(process, "ModelProcess", refuse)
    monkeypatch.setattr(DecoderProcess, "score", refuse)
    monkeypatch.setattr(DecoderProcess, "decode", refuse)
    monkeypatch.setattr(scoring, "measure", refuse)
    monkeypatch.setattr(Predictions, "put", refuse)
    second = evaluate(models, demo, device="cpu", reports=reports)
    pd.testing.assert_frame_equal(first, second)
    assert files_of(reports, fresh_cache) == kept

    # A package whose tag names this data set is marked; a baseline saw nothing.
    marks = {r.run["model"]["name"]: r.run["trained_on"] for r in Results(reports).all(dataset="demo@1", split="test")}
    assert marks == {"baseline-otsu-watershed": None, "sigmoid": "its tag 'dsb2018' names this data set"}

    # With the predictions still there, a deleted report is scored again without the models.
    monkeypatch.setattr(scoring, "measure", measure)
    shutil.rmtree(reports)
    pd.testing.assert_frame_equal(first, evaluate(models, demo, device="cpu", reports=reports))


SLOW = """
import sys, time
import zooscope
from zooscope.decode import threshold_components
from zooscope.store import Predictions

threshold_components.SEARCH = {"threshold": (0.3, 0.7), "min_size_px": (0, 16)}
put = Predictions.put

def slow(*arguments, **told):
    put(*arguments, **told)
    time.sleep(0.5)

Predictions.put = slow
zooscope.evaluate(sys.argv[1], "demo", device="cpu", reports=sys.argv[2])
"""


@pytest.mark.usefixtures("quick_search")
def test_a_run_killed_in_the_middle_goes_on_where_it_stopped(
    make_package: MakePackage, demo: Dataset, reports: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    package = make_package()
    running = subprocess.Popen([sys.executable, "-c", SLOW, str(package), str(reports)])
    predictions = fresh_cache / "predictions"
    deadline = time.monotonic() + 60
    while len(list(predictions.rglob("*.tif"))) < 3 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    running.kill()
    assert running.wait() == -signal.SIGKILL
    assert len(workers) >= 2, "the model's and the decoders'"
    kept = files_of(predictions)
    assert 3 <= len([path for path in kept if path.suffix == ".tif"]) < len(demo.only("test"))
    assert not list(reports.rglob("run.json")), "a row is written whole or not at all"

    asked: list[tuple[int, ...]] = []
    maps = InThisProcess.maps
    monkeypatch.setattr(process, "ModelProcess", InThisProcess)
    monkeypatch.setattr(InThisProcess, "maps", lambda self, image: asked.append(image.shape) or maps(self, image))
    evaluate(package, demo, device="cpu", reports=reports)
    now = files_of(predictions)
    assert {path: now[path] for path in kept} == kept, "what was there is not written again"
    done = len([path for path in kept if path.suffix == ".tif"])
    assert len(asked) == len(demo.only("test")) - done, "nor predicted again; tuning was finished before"

    monkeypatch.setenv("ZOOSCOPE_CACHE", str(fresh_cache / "another"))
    evaluate(package, demo, device="cpu", reports=reports / "uninterrupted")
    resumed, whole = only_result(reports, "demo@1"), only_result(reports / "uninterrupted", "demo@1")
    pd.testing.assert_frame_equal(without_seconds(resumed), without_seconds(whole))
    assert filecmp.cmp(resumed.folder / "labels.zip", whole.folder / "labels.zip", shallow=False)
    assert resumed.run["key"] == whole.run["key"]

    for pid in workers:
        assert gone(int(pid)), "the killed run's processes noticed and ended"


def gone(pid: int) -> bool:
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def spied_reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(id, "tuning" or "else") of every sample that is read."""
    reads: list[tuple[str, str]] = []
    phase = ["else"]
    read, tuning = dataset.read_sample, tune.tune

    def spy(folder: Path, table: pd.DataFrame, id: str) -> Any:
        reads.append((id, phase[0]))
        return read(folder, table, id)

    def tuned(*arguments: Any, **named: Any) -> Any:
        phase[0] = "tuning"
        try:
            return tuning(*arguments, **named)
        finally:
            phase[0] = "else"

    monkeypatch.setattr(dataset, "read_sample", spy)
    monkeypatch.setattr(tune, "tune", tuned)
    return reads


def test_tuning_reads_the_validation_split_and_nothing_else(
    make_folder: MakeFolder, reports: Path, spied_reads: list[tuple[str, str]]
):
    folder = make_folder("vtvr")
    spied_reads.clear()
    evaluate(LOCAL, folder, device="cpu", reports=reports)
    assert {id for id, phase in spied_reads if phase == "tuning"} == {"a", "c"}
    assert {id for id, phase in spied_reads if phase == "else"} == {"b"}
    run = only_result(reports, "mine@0").run
    assert run["tuning"]["split"] == "validation"
    assert run["tuning"]["objective"] == "ap.per-image@1"
    assert run["tuning"]["search"] == {k: list(v) for k, v in find_baseline(LOCAL).search.items()}
    assert run["dataset"]["images"] == 1


def test_a_folder_without_a_validation_split_gets_the_default_parameters(make_folder: MakeFolder, reports: Path):
    folder = make_folder(None, count=2)
    table = evaluate(LOCAL, folder, device="cpu", reports=reports)
    run = only_result(reports, "mine@0").run
    assert run["tuning"] is None
    assert run["params"] == {"block_px": 101, "offset": 0.05, "min_distance_px": 7, "min_size_px": 32}
    assert set(table["subset"]) == {"all"}
    assert table["low"].isna().all(), "two groups give no interval"


def test_ranking_on_the_validation_split_does_not_tune_on_it(
    make_folder: MakeFolder, reports: Path, spied_reads: list[tuple[str, str]]
):
    folder = make_folder("vvt")
    spied_reads.clear()
    evaluate(LOCAL, folder, split="validation", device="cpu", reports=reports)
    assert only_result(reports, "mine@0", "validation").run["tuning"] is None
    assert {id for id, _ in spied_reads} == {"a", "b"}


def test_a_killed_tuning_goes_on_where_it_stopped(
    make_folder: MakeFolder, reports: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, ask, calls = make_folder("vvvt"), DecoderProcess.score, itertools.count(1)

    def interrupted(*arguments: Any, **more: Any) -> list[float]:
        if next(calls) > 1:
            raise KeyboardInterrupt
        return ask(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(DecoderProcess, "score", interrupted)
        patch.setattr(tune, "cores", lambda: 1)  # several processes may be asked in any order
        with pytest.raises(KeyboardInterrupt):
            evaluate(LOCAL, folder, device="cpu", reports=reports)
    kept = files_of(fresh_cache / "tuning")
    assert [path.name for path in kept] == ["a.json"]

    scored: list[str] = []
    score = Decoders.score
    monkeypatch.setattr(Decoders, "score", lambda self, id, *a, **k: scored.append(id) or score(self, id, *a, **k))
    evaluate(LOCAL, folder, device="cpu", reports=reports)
    assert set(scored) == {"b", "c"}
    now = files_of(fresh_cache / "tuning")
    assert {path: now[path] for path in kept} == kept
    tuned = only_result(reports, "mine@0").run

    monkeypatch.setenv("ZOOSCOPE_CACHE", str(fresh_cache / "another"))
    evaluate(LOCAL, folder, device="cpu", reports=reports / "uninterrupted")
    whole = only_result(reports / "uninterrupted", "mine@0").run
    assert (tuned["params"], tuned["tuning"], tuned["key"]) == (whole["params"], whole["tuning"], whole["key"])


def test_tuned_parameters_are_in_the_runs_key_and_in_its_record(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, keys, scores = make_folder("vt"), [], []
    for min_size_px in (16, 4000):
        monkeypatch.setattr(tune, "tune", lambda *_, size=min_size_px, **__: ({"min_size_px": size}, 0.5))
        reports = tmp_path / f"reports{min_size_px}"
        evaluate(LOCAL, folder, device="cpu", reports=reports)
        result = only_result(reports, "mine@0")
        assert result.run["params"]["min_size_px"] == min_size_px
        assert result.run["params"]["offset"] == 0.05, "others keep their defaults"
        keys.append(result.run["key"])
        scores.append(result.images["predicted"].sum())
    assert keys[0] != keys[1]
    assert scores[0] > scores[1]


def request(model: Any, data: Dataset, **options: Any) -> str:
    (row,) = plan_rows([str(model)], data, **options)
    assert row.contender.reason is None
    return row.request


def test_the_key_changes_with_whatever_decides_the_answer(
    make_package: MakePackage, make_folder: MakeFolder, onnx_sigmoid: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("zooscope.predict.device.resolve_device", lambda name: name)

    def both(rdf: dict[str, Any]) -> None:
        rdf["weights"]["onnx"] = {"source": "weights.onnx", "opset_version": 17}

    package = make_package(edit=both, files={"weights.onnx": onnx_sigmoid})
    data, other = load_dataset(make_folder("vtt")), load_dataset(make_folder("vtt", at="other", edge=120))
    keys = {
        "as it is": request(package, data, device="cpu"),
        "onnx": request(package, data, device="cpu", weights="onnx"),
        "cuda": request(package, data, device="cuda:0"),
        "decoder": request(package, data, device="cpu", decoder="boundary-watershed"),
        "split": request(package, data, device="cpu", split="validation"),
        "data": request(package, other, device="cpu"),
        "model": request(make_package("convs"), data, device="cpu"),
        "baseline": request(OTSU, data, device="cpu"),
        "tuned baseline": request(LOCAL, data, device="cpu"),
    }
    from zooscope.decode import threshold_components

    for name, change in (("VERSION", 2), ("SEARCH", {"threshold": (0.2, 0.4)})):
        with monkeypatch.context() as patch:
            patch.setattr(threshold_components, name, change)
            keys[f"decoder's {name}"] = request(package, data, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(rows_module, "PREDICT_VERSION", 99)
        keys["PREDICT_VERSION"] = request(package, data, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr("zooscope.predict.tiling.POLICY", "other tiles@2")
        keys["tiles"] = request(package, data, device="cpu")
    assert len(set(keys.values())) == len(keys), keys

    same = {
        "another GPU": (request(package, data, device="cuda:3"), keys["cuda"]),
        "time limit": (request(package, data, device="cpu", time_limit_s=1), keys["as it is"]),
        "memory limit": (request(package, data, device="cpu", memory_limit_gib=1), keys["as it is"]),
        "named weights": (request(package, data, device="cpu", weights="torchscript"), keys["as it is"]),
        "named decoder": (request(package, data, device="cpu", decoder="threshold-components"), keys["as it is"]),
        "copy": (request(shutil.copy(package, package.with_name("copy.zip")), data, device="cpu"), keys["as it is"]),
    }
    for name, (one, two) in same.items():
        assert one == two, name


def test_evaluate_gives_the_table_that_it_documents(make_package: MakePackage, demo: Dataset, reports: Path):
    keras = make_package(at="keras.zip", edit=lambda rdf: rdf.update(weights={"keras_hdf5": {"source": "weights.pt"}}))
    table = evaluate([OTSU, str(keras)], "demo", reports=reports)
    told = ["model", "subset", "metric", "score", "low", "high", "images", "groups"]
    assert list(table.columns) == [*told, "rank", "rank_low", "rank_high", "reason"]
    assert set(table["model"]) == {"baseline-otsu-watershed", "keras"}
    failed = table[table["model"] == "keras"]
    assert list(failed["reason"]) == ["no weights that run here: keras_hdf5 needs TensorFlow or Keras"]
    ranked = table[table["model"] != "keras"].set_index(["subset", "metric"])
    assert ranked["reason"].isna().all()
    assert {"all", "fluorescence", "histology"} < set(ranked.index.get_level_values("subset"))
    assert set(ranked.loc["all"].index) == set(metrics_of(Task.INSTANCE_SEGMENTATION))
    row = ranked.loc[("all", "ap50.per-image@1")]
    assert (row["images"], row["groups"]) == (10, 10)
    assert 0.4 < row["low"] < row["score"] < row["high"] < 1

    # and the score is the mean over images of what StarDist's own matching says of the stored labels
    from stardist.matching import matching

    result = next(r for r in Results(reports).all(dataset="demo@1", split="test") if not r.failed)
    theirs = [matching(s.target, result.prediction(s.id), thresh=0.5).accuracy for s in demo.only("test")]
    assert row["score"] == pytest.approx(np.mean(theirs))


def test_the_public_function_may_be_called_twice(make_folder: MakeFolder, reports: Path):
    folder = make_folder(None, count=1)
    one, two = (zooscope.evaluate(OTSU, folder, device="cpu", reports=reports) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert zooscope.evaluate is evaluate


@pytest.mark.usefixtures("in_this_process")
def test_a_zip_and_its_folder_are_one_row(make_package: MakePackage, make_folder: MakeFolder, reports: Path):
    models = [make_package(), make_package(folder=True)]
    table = evaluate([*models, models[0]], make_folder(None, count=1), device="cpu", reports=reports)
    assert len(table) == len(metrics_of(Task.INSTANCE_SEGMENTATION))


def test_without_a_reports_folder_results_are_kept_in_the_cache(make_folder: MakeFolder, fresh_cache: Path):
    evaluate(OTSU, make_folder(None, count=1), device="cpu")
    assert list((fresh_cache / "reports" / "results" / "mine@0" / "test").glob("*/*/images.csv"))


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"model": "nowhere.zip"}, UsageError, "model 'nowhere.zip' does not exist"),
        ({"model": "baseline:otsu"}, UsageError, "model 'baseline:otsu' is not one of baseline:otsu-watershed@1"),
        ({"dataset": "dsb2019"}, UsageError, "did you mean 'dsb2018'"),
        ({"split": "tset"}, UsageError, "split 'tset' is not one of test, validation"),
        ({"device": "gpu"}, UsageError, "device 'gpu' is not one of auto, cpu"),
        ({"time_limit_s": 0}, UsageError, "time limit 0 is not more than 0"),
        ({"memory_limit_gib": float("nan")}, UsageError, "memory limit nan is not more than 0"),
    ],
)
def test_what_does_not_exist_is_named_and_nothing_is_written(
    reports: Path, options: dict[str, str], error: type[Exception], text: str
):
    asked = {"model": OTSU, "dataset": "demo", "reports": reports, **options}
    with pytest.raises(error, match=text):
        evaluate(**asked)  # type: ignore[arg-type]
    assert not reports.exists()


@pytest.fixture
def row(make_package: MakePackage, make_folder: MakeFolder, in_this_process: None) -> Callable[..., Row]:
    """The row of a package on a folder of two test images."""
    data: list[Dataset] = []

    def plan(network: str = "sigmoid", decoder: str | None = None, **options: Any) -> Row:
        data.append(data[0] if data else load_dataset(make_folder("tt")))
        path = make_package(network, **options)
        return plan_rows([str(path)], data[0], device="cpu", decoder=decoder, time_limit_s=60)[0]

    return plan


def test_a_crashed_row_is_run_again_when_told_and_makes_way_for_a_success(
    row: Callable[..., Row], reports: Path, monkeypatch: pytest.MonkeyPatch
):
    planned, results = row(), Results(reports)

    def crash(self: object, image: object) -> None:
        error = WorkerError("its process died at an image (signal SIGKILL)")
        error.log = "killed by a test"
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(InThisProcess, "maps", crash)
        failed = run_row(planned, results)
    assert failed.failed
    assert failed.run["reason"] == "its process died at an image (signal SIGKILL)"
    assert failed.run["log"] == "killed by a test"
    assert failed.images.empty
    assert run_row(planned, results).folder == failed.folder, "what crashed once is not run again"
    done = run_row(planned, results, retry=True)
    assert not done.failed
    assert not failed.folder.exists()
    assert [result.folder for result in results.all(dataset="mine@0", split="test")] == [done.folder]
    assert "reason" not in done.run


def test_a_package_that_cannot_run_keeps_its_row_until_the_reason_is_another(row: Callable[..., Row], reports: Path):
    planned, results = row(config={"zooscope": {"decoder": {"id": "magic", "version": 1}}}), Results(reports)
    one = run_row(planned, results)
    kept = files_of(reports)
    assert "names the decoder 'magic'" in run_row(planned, results).run["reason"]
    assert files_of(reports) == kept
    other = replace(planned, contender=replace(planned.contender, reason="it needs TensorFlow"))
    two = run_row(other, results)
    assert (two.folder, two.run["reason"]) == (one.folder, "it needs TensorFlow")
    assert len(list(results.all(dataset="mine@0", split="test"))) == 1


def test_what_failed_while_it_ran_is_run_again_by_other_versions_alone_or_when_told(
    row: Callable[..., Row], reports: Path, monkeypatch: pytest.MonkeyPatch
):
    planned, results = row("raises"), Results(reports)
    assert "the network is out of order" in run_row(planned, results).run["reason"]
    kept, maps = files_of(reports), InThisProcess.maps
    monkeypatch.setattr(InThisProcess, "maps", refuse)
    assert run_row(planned, results).failed
    assert files_of(reports) == kept
    monkeypatch.setattr(InThisProcess, "maps", maps)
    newer = {**rows_module.environment(), "versions": {"torch": "99.0"}}
    monkeypatch.setattr(rows_module, "environment", lambda: newer)
    assert run_row(planned, results).run["environment"] == newer


def test_a_tile_that_memory_made_smaller_is_told_in_the_row(
    row: Callable[..., Row], reports: Path, monkeypatch: pytest.MonkeyPatch
):
    planned, results = row(), Results(reports)
    monkeypatch.setattr(InThisProcess, "tile_px", 512, raising=False)
    assert run_row(planned, results).run["tile_px"] == 512


@pytest.mark.parametrize("decoder", ["boundary-watershed", "stardist"])
def test_a_decoder_that_does_not_fit_the_maps_costs_the_row_and_not_the_run(
    row: Callable[..., Row], reports: Path, decoder: str
):
    result = run_row(row(decoder=decoder), Results(reports))
    assert result.failed
    assert f"decoder {decoder} failed on its maps (1, 128, 128)" in result.run["reason"]


@pytest.mark.usefixtures("in_this_process")
def test_the_reason_names_the_image_where_others_worked(
    make_package: MakePackage, make_folder: MakeFolder, reports: Path
):
    data = load_dataset(make_folder(None, count=3))
    means = {sample.id: normalised_mean(sample.image.values) for sample in data}
    darkest = min(means, key=lambda id: means[id])
    others = sorted(means.values())
    path = make_package("raises-on-dark", arguments={"darkest": float(np.mean(others[:2]))})
    (planned,) = plan_rows([str(path)], data, device="cpu")
    result = run_row(planned, Results(reports))
    assert "too dark" in result.run["reason"]
    assert (f"(image {darkest})" in result.run["reason"]) == (darkest != "a")


def normalised_mean(image: np.ndarray) -> float:
    low, high = np.percentile(image, (1, 99.8))
    return float(((image - low) / (high - low)).mean())


def test_expected_seconds_are_measured_and_nothing_is_written(
    row: Callable[..., Row], reports: Path, fresh_cache: Path
):
    planned = row()
    before = files_of(fresh_cache)
    assert 0 < expected_seconds(planned, Results(reports)) < 60
    assert not reports.exists()
    assert files_of(fresh_cache) == before
    run_row(planned, Results(reports))
    assert expected_seconds(planned, Results(reports)) == 0


def test_a_row_says_what_it_stands_on(make_folder: MakeFolder, reports: Path):
    folder = make_folder("tt")
    data = load_dataset(folder, split="test")
    evaluate(OTSU, folder, device="cpu", reports=reports)
    result = only_result(reports, "mine@0")
    run = json.loads((result.folder / "run.json").read_text())
    assert run["dataset"].pop("card")["title"] == "mine"
    assert run["dataset"] == {
        "id": "mine", "version": "0", "digest": data.digest, "split": "test", "images": 2, "groups": 2
    }  # fmt: skip
    assert run["protocol"]["channels"] == "luminance-rec709@1,repeat@1"
    assert run["environment"]["versions"]["zooscope"]
    assert result.folder.parent.name == f"baseline-otsu-watershed@{run['model']['digest'][:8]}"
    assert result.folder.name == run["key"][:8]
    assert list(result.images.index) == ["a", "b"]
    assert (result.images["seconds"] > 0).all()
    assert run["seconds_per_image"] == pytest.approx(result.images["seconds"].median(), abs=1e-4)
    for id in data.ids:
        assert result.prediction(id).max() == result.images.loc[id, "predicted"]  # type: ignore[union-attr]


def test_labels_of_data_that_may_not_be_published_stay_in_the_cache(make_folder: MakeFolder, reports: Path):
    data = load_dataset(make_folder(None, count=1))
    secret = replace(data, card=data.card.model_copy(update={"publish_predictions": False}))
    evaluate(OTSU, secret, device="cpu", reports=reports)
    result = only_result(reports, "mine@0")
    assert result.prediction("a") is None
    assert not (result.folder / "labels.zip").exists()
    assert len(result.images) == 1


def test_results_on_changed_data_do_not_stand_beside_the_old_ones(make_folder: MakeFolder, reports: Path):
    folder = make_folder(None, count=2)
    evaluate(OTSU, folder, device="cpu", reports=reports)
    mask = folder / "masks" / "a.tif"
    shutil.copy(folder / "masks" / "b.tif", mask)
    evaluate(OTSU, folder, device="cpu", reports=reports)
    digests = {r.run["dataset"]["digest"] for r in Results(reports).all(dataset="mine@0", split="test")}
    assert len(digests) == 2
    os.utime(mask)
    evaluate(OTSU, folder, device="cpu", reports=reports)
    assert len(list(Results(reports).all(dataset="mine@0", split="test"))) == 2


def test_an_image_that_changes_while_a_run_goes_on_is_an_error(make_folder: MakeFolder, reports: Path):
    folder = make_folder(None, count=2)
    data = load_dataset(folder)
    shutil.copy(folder / "images" / "b.tif", folder / "images" / "a.tif")
    with pytest.raises(DataError, match="sample 'a' changed since its digest was taken"):
        evaluate(OTSU, data, device="cpu", reports=reports)


def test_a_baseline_is_called_once_an_image(make_folder: MakeFolder, reports: Path, monkeypatch: pytest.MonkeyPatch):
    shapes, decode = [], DecoderProcess.decode

    def spy(self: DecoderProcess, name: str, maps: np.ndarray, shape: tuple[int, int], params: Any) -> Any:
        shapes.append(shape)
        return decode(self, name, maps, shape, params)

    monkeypatch.setattr(DecoderProcess, "decode", spy)
    folder = make_folder(None, count=3)
    for _ in range(2):
        evaluate(OTSU, folder, device="cpu", reports=reports)
    assert shapes == [(128, 128)] * 3


def test_data_limited_to_a_split_are_refused_for_nothing_could_be_tuned(demo: Dataset, reports: Path):
    with pytest.raises(UsageError, match="is limited to its split 'test'; load it whole"):
        evaluate(OTSU, demo.only("test"), reports=reports)


def test_two_different_models_of_one_name_are_refused(make_package: MakePackage, demo: Dataset, reports: Path):
    models = [make_package(at="a/net.zip"), make_package("twice", channels_out=2, at="b/net.zip")]
    with pytest.raises(UsageError, match="two different models are named 'net'"):
        evaluate(models, demo, device="cpu", reports=reports)
