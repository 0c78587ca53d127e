"""The command line: quick to answer, one line an error, and each verb from end to end."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, version
from pathlib import Path

import numpy as np
import pytest
import tifffile
import typer

from zooscope import cli, plugins
from zooscope.data import Dataset
from zooscope.predict import process
from zooscope.sample import Task
from zooscope.sources import shipped_models

MakePackage = Callable[..., Path]
MakeFolder = Callable[..., Path]

VERBS = ("list", "fetch", "split", "run", "score", "report", "predict", "demo")


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def zooscope(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs the command line in this process, as its script would."""

    def run(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["zooscope", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


HEAVY = (
    "torch",
    "bioimageio",
    "pandas",
    "xarray",
    "skimage",
    "scipy",
    "stardist",
    "matplotlib",
    "onnxruntime",
    "zooscope_zoo.cli",
)

LOOK = f"""
import sys
sys.argv = ["zooscope", *sys.argv[1:]]
from zooscope.cli import main
try:
    main()
finally:
    found = sorted(name for name in {HEAVY!r} if name in sys.modules)
    print("IMPORTED", *found, file=sys.stderr)
"""


@pytest.mark.parametrize("word", ["--help", "--version", "run --help"])
def test_help_and_version_import_nothing_heavy(word: str):
    done = subprocess.run([sys.executable, "-c", LOOK, *word.split()], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr.split() == ["IMPORTED"]
    assert done.stdout


def test_the_script_is_installed_and_names_every_verb():
    script = Path(sys.executable).parent / "zooscope"
    if not script.is_file():
        pytest.skip("zooscope's script is not beside this Python")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert all(f" {verb} " in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(zooscope: Callable[..., Done], verb: str):
    done = zooscope(verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"zooscope {verb}" in done.out.replace("\n", " ")
    assert len(done.out) > 200


def test_the_version_is_that_of_the_distribution(zooscope: Callable[..., Done]):
    assert zooscope("--version") == Done(0, version("zooscope") + "\n", "")


def test_without_a_verb_help_is_shown(zooscope: Callable[..., Done]):
    assert "Usage" in zooscope().out


RUN = ("run", "--model", "baseline:otsu-watershed@1", "--dataset", "demo")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("run", "--model", "nuclei-tinny", "--dataset", "demo"), "model 'nuclei-tinny' does not exist"),
        (("run", "--model", "baseline:x", "--dataset", "demo"), "model 'baseline:x' is not one of baseline:otsu"),
        (("run", "--model", "nowhere/a.zip", "--dataset", "demo"), "model 'nowhere/a.zip' does not exist"),
        (("run", "--model", "nuclei-tiny", "--dataset", "demmo"), "data set 'demmo' is neither a folder nor one of"),
        ((*RUN, "--split", "tset"), "data set 'demo': split 'tset' is not one of test, validation"),
        ((*RUN, "--device", "gpu"), "device 'gpu' is not one of auto, cpu, cuda, cuda:<number>"),
        ((*RUN, "--device", "cuda:77"), "device 'cuda:77': this machine has "),
        (("fetch", "demmo"), "did you mean 'demo'?"),
        (("score", "nowhere", "--dataset", "demo", "--name", "x"), "nowhere: no such folder"),
        (("score", ".", "--dataset", "demo", "--name", "a/b"), "name 'a/b': letters, digits"),
        (("report", "--reports", "nowhere"), "nowhere/results: no results"),
        (("predict", "nuclei-tinny", "a.tif", "-o", "out"), "model 'nuclei-tinny' does not exist"),
        (("predict", "nuclei-tiny", "nowhere.tif", "-o", "out", "--device", "cpu"), "nowhere.tif: no such file"),
        (("predict", "nuclei-tiny", "a.tif", "-o", "out", "--weights", "keras"), "has no keras weights that run here"),
    ],
)
def test_wrong_use_is_one_line_on_stderr_and_exit_code_2(
    zooscope: Callable[..., Done], fresh_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...], line: str,
):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    done = zooscope(*words)
    assert done.code == 2
    assert done.out == ""
    told = [text for text in done.err.splitlines() if text.startswith("zooscope: ")]
    assert len(told) == 1
    assert line in told[0]
    assert "Traceback" not in done.err
    assert not [path for name in ("reports", "out") for path in (tmp_path / name).rglob("*") if path.is_file()]


@pytest.mark.parametrize("words", [("run",), ("nonsense",), ("run", "--nonsense"), ("predict", "nuclei-tiny")])
def test_a_command_that_cannot_be_parsed_is_exit_code_2(zooscope: Callable[..., Done], words: tuple[str, ...]):
    done = zooscope(*words)
    assert (done.code, done.out) == (2, "")
    assert "Usage" in done.err


def test_list_names_what_there_is(zooscope: Callable[..., Done]):
    plain, found = zooscope("list"), json.loads(zooscope("list", "--json").out)
    assert plain.code == 0
    assert {"demo", "dsb2018"} <= set(found["data sets"])
    assert "nuclei-tiny" in found["models"]
    assert {"baseline:otsu-watershed@1", "baseline:noisy@1"} <= set(found["baselines"])
    assert {"stardist", "boundary-watershed", "threshold-components"} <= set(found["decoders"])
    assert found["metrics"]["ap50.per-image@1"].startswith("TP / (TP + FP + FN) at IoU >= 0.5")
    for kind, items in found.items():
        told = zooscope("list", kind).out
        assert all(id in told for id in items)
        assert kind == "metrics" or all(id in plain.out for id in items)
        assert json.loads(zooscope("list", kind, "--json").out) == items
    assert "of instance-segmentation" in plain.out
    listed = sum(len(items) for kind, items in found.items() if kind != "metrics")
    assert len(plain.out.splitlines()) < listed + 15, "definitions of metrics would bury the rest"
    assert zooscope("list", "nothing").err.startswith("zooscope: 'nothing' is not one of data sets, methods")


def test_fetch_says_what_is_in_a_data_set_and_whether_its_splits_leak(
    zooscope: Callable[..., Done], make_folder: MakeFolder, demo: Dataset
):
    assert "10 images in 10 groups" in zooscope("fetch", "demo").out
    found = json.loads(zooscope("fetch", "demo", "--json").out)
    assert found["digest"] == demo.digest
    assert found["splits"] == {"test": 10, "validation": 3}
    folder = make_folder("rrt")
    table = folder / "groups.csv"
    table.write_text(table.read_text().replace("c,c,", "c,a,"))
    assert json.loads(zooscope("fetch", folder, "--json").out)["leaks"] == ["c"]
    assert "leak: 1 of 1 test images share a group (a field) with training images" in zooscope("fetch", folder).out


def test_a_folder_without_splits_is_told_of_split_which_writes_them(
    zooscope: Callable[..., Done], make_folder: MakeFolder
):
    folder = make_folder(None, count=4)
    assert f"to train on it, divide it with: zooscope split {folder}" in zooscope("fetch", folder).out
    done = zooscope("split", folder)
    assert (done.code, done.err) == (0, "")
    assert [f"  {split}: {n} images in {n} groups" for split, n in (("test", 1), ("train", 2), ("validation", 1))] == (
        done.out.splitlines()[1:4]
    )
    assert f"written to {folder / 'groups.csv'}" in done.out
    assert "zooscope split" not in zooscope("fetch", folder).out
    assert zooscope("split", folder).code == 2


@pytest.mark.timeout(1500)
def test_demo_runs_from_end_to_end_in_an_empty_cache_without_a_network(
    zooscope: Callable[..., Done], fresh_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("asked for the network")

    monkeypatch.setattr("socket.getaddrinfo", no_network)
    monkeypatch.chdir(tmp_path)
    done = zooscope("demo", "--json")
    assert done.code == 0
    board = json.loads(done.out)
    baselines = {"baseline-otsu-watershed", "baseline-local-threshold"}
    assert {row["model"] for row in board["rows"]} == {*shipped_models(Task.INSTANCE_SEGMENTATION), *baselines}
    assert board["failures"] == []
    assert board["dataset"] == "demo@1"
    tiny = next(row for row in board["rows"] if row["model"] == "nuclei-tiny")
    score = tiny["standings"]["all"]["scores"]["ap50.per-image@1"]
    assert 0.6 < score["score"] < 0.8
    assert score["low"] < score["score"] < score["high"]
    assert tiny["trained_on"] is None
    page = fresh_cache / "demo" / "site" / "benchmarks" / "demo" / "index.html"
    assert page.is_file()
    assert list(tmp_path.iterdir()) == [fresh_cache], "nothing is left where it was called"

    monkeypatch.setattr(process, "ModelProcess", no_network)
    again = zooscope("demo")
    assert again.code == 0
    assert "nuclei-tiny" in again.out
    assert f"page: {page}" in again.out.replace("\n", "")


def test_a_dry_run_shows_rows_and_times_and_computes_nothing(
    zooscope: Callable[..., Done], make_package: MakePackage, make_folder: MakeFolder, fresh_cache: Path, tmp_path: Path
):
    reports, folder = tmp_path / "reports", make_folder("vt")
    words = ("run", "--model", "baseline:otsu-watershed@1", "--model", make_package(files={"weights.pt": b"x"}))
    done = zooscope(*words, "--dataset", folder, "--reports", reports, "--dry-run")
    assert done.code == 0
    otsu, broken = done.out.splitlines()
    assert otsu.startswith("mine@0  test  baseline-otsu-watershed  1 images, about ")
    assert broken.startswith("mine@0  test  sigmoid  cannot run: its torchscript weights are damaged")
    assert not reports.exists()
    assert not list(fresh_cache.rglob("*.tif"))


def test_score_ranks_label_images_beside_models(
    zooscope: Callable[..., Done], make_folder: MakeFolder, fresh_cache: Path, tmp_path: Path
):
    folder, reports = make_folder("tt"), tmp_path / "reports"
    where = ("--dataset", folder, "--reports", reports)
    assert zooscope("run", "--model", "baseline:otsu-watershed@1", *where).code == 0
    done = zooscope("score", folder / "masks", "--name", "oracle", "--trained-on", "mine", *where, "--json")
    assert done.code == 0
    board = json.loads(done.out)
    assert [row["model"] for row in board["rows"]] == ["oracle", "baseline-otsu-watershed"]
    assert board["rows"][0]["standings"]["all"]["scores"]["ap50.per-image@1"]["score"] == 1
    assert board["rows"][0]["trained_on"] == "its training data is declared as 'mine'"
    written = {path.relative_to(reports).as_posix() for path in reports.rglob("*mine.*") if path.is_file()}
    assert written == {f"leaderboards/mine.{kind}" for kind in ("md", "csv", "json")}
    assert "oracle" in (reports / "site" / "benchmarks" / "mine" / "board.js").read_text()
    page = reports / "site" / "benchmarks" / "mine" / "index.html"
    page.unlink()
    made = zooscope("report", "--site", "--reports", reports)
    assert (made.code, made.out.split()) == (0, [str(page), "site:", str(reports / "site" / "index.html")])
    assert page.is_file()
    drawn = zooscope("report", "--figures", "--reports", reports)
    assert str(reports / "figures" / "mine" / "ap-curve.svg") in drawn.out.split()
    assert json.loads((reports / "leaderboards" / "mine.json").read_text()) == board


def test_predict_writes_label_images_and_never_overwrites(
    zooscope: Callable[..., Done], make_package: MakePackage, demo: Dataset, tmp_path: Path
):
    image, out = tmp_path / "cells.tif", tmp_path / "out"
    tifffile.imwrite(image, next(s for s in demo if s.axes == "yx").image.values)
    words = ("predict", make_package(), image, "-o", out, "--device", "cpu")
    done = zooscope(*words)
    assert done.code == 0
    labels = tifffile.imread(out / "cells.tif")
    assert f"cells.tif: {labels.max()} objects" in done.out.replace("\n", "")
    assert labels.max() > 0
    (out / "cells.tif").write_bytes(b"precious")
    again = zooscope(*words)
    assert (again.code, again.out) == (2, "")
    assert "cells.tif: exists; --overwrite replaces it" in again.err
    assert (out / "cells.tif").read_bytes() == b"precious"
    assert zooscope(*words, "--overwrite").code == 0
    np.testing.assert_array_equal(tifffile.imread(out / "cells.tif"), labels)


def test_a_bad_image_among_others_is_named_and_the_exit_code_is_3(
    zooscope: Callable[..., Done], make_package: MakePackage, demo: Dataset, tmp_path: Path
):
    tifffile.imwrite(tmp_path / "good.tif", next(s for s in demo if s.axes == "yx").image.values)
    (tmp_path / "bad.tif").write_bytes(b"damaged")
    done = zooscope("predict", make_package(), tmp_path / "*.tif", "-o", tmp_path / "out", "--device", "cpu")
    assert done.code == 3
    assert f"{tmp_path / 'bad.tif'}: cannot be read as tif" in done.err.replace("\n", "")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.tif"]


other = typer.Typer()


@other.command()
def greet(name: str) -> None:
    """Greet somebody."""
    typer.echo(f"hello {name}")


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Makes another distribution offer commands."""
    real = plugins.entry_points

    def offer(**commands: str) -> None:
        points = [EntryPoint(name, value, "zooscope.commands") for name, value in commands.items()]
        monkeypatch.setattr(
            plugins, "entry_points", lambda *, group: points if group == "zooscope.commands" else real(group=group)
        )
        plugins._found.cache_clear()

    yield offer
    plugins._found.cache_clear()


def test_a_command_of_another_distribution_is_listed_without_being_imported(
    zooscope: Callable[..., Done], offered: Callable[..., None]
):
    offered(train="nowhere.at.all:command")
    done = zooscope("--help")
    assert done.code == 0
    assert "train" in done.out
    assert zooscope("list").code == 0, "nor does it stand in the way of other verbs"


def test_a_command_of_another_distribution_runs_when_called(
    zooscope: Callable[..., Done], offered: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    import types

    module = types.ModuleType("another_distribution")
    module.app = other  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "another_distribution", module)
    offered(greet="another_distribution:app")
    assert zooscope("greet", "world") == Done(0, "hello world\n", "")
    assert "Greet somebody" in zooscope("greet", "--help").out


def test_zooscopes_own_verbs_cannot_be_taken_over(zooscope: Callable[..., Done], offered: Callable[..., None]):
    offered(list="nowhere.at.all:command")
    assert "data sets:" in zooscope("list").out
