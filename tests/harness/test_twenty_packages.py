"""A folder of twenty packages, good, broken, hostile and slow, and four real ones: each gets a row or a reason."""

import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest

from zooscope import cli
from zooscope.model import Model
from zooscope.package import open_package
from zooscope.predict import process
from zooscope.store import Results

Rdf = dict[str, Any]

GOOD = {"good", "good-onnx", "good-folder"}
REASONS = {
    # refused before a process is started
    "bomb": "claims to unpack from ",
    "climbs": "member '../../evil.py' would climb out of its folder; refused",
    "outside": "its description names '../../../etc/passwd', which lies outside the package; refused",
    "laughs": "its description is far larger than any description with its references written out",
    "absurd": "its inputs declare a size of 1000000000; at most 65536 is run",
    "damaged": "its torchscript weights are damaged: sha256 is ",
    # refused, or found out, in their process
    "no-weights": "its TorchScript weights cannot be loaded (",
    "writes-file": "its TorchScript code uses 'save', which reaches beyond the network; refused",
    "elsewhere": "its ONNX weights keep data outside their file ('../../secret'), which is not read",
    "nan": "its answer holds NaN or infinity",
    "channels": "its network gives 2 channels, it declares 1",
    "half": "its network gives ",
    # what ends with their process
    "segfault": "its process died at an image (signal SIGSEGV)",
    "hungry": "took more than 1.5 GiB of memory at an image and was stopped; --memory-limit allows more",
    "aborts": "its process died at an image (signal SIGABRT)",
    "exits": "its process died at an image (exit code 0)",
    "hangs": "took longer than 1 s at an image and was stopped",
}
CRASHED = {"segfault", "hungry", "aborts", "exits", "hangs"}
FOREIGN = {
    "pancreatic-phase-keras-v0.3": "no weights that run here: keras_hdf5 needs TensorFlow or Keras",
    "two-inputs-two-outputs-v0.5": "takes 2 inputs and gives 2 outputs; one image in and one out is ranked",
}
PLANTED = {
    "aborts": "os.abort()",
    "exits": "os._exit(0)",
    "hangs": "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: print('still at it')",
}
"""Code in place of a network, for ends that no network's format can bring about."""


def tuned(threshold: float) -> Rdf:
    """A decoder that needs no tuning."""
    decoder = {"id": "threshold-components", "version": 1, "params": {"threshold": threshold}}
    return {"zooscope": {"decoder": decoder}}


@dataclass(frozen=True)
class Folder:
    """The packages, and how each is run: most of the good and the lying ones without a process, to be quick."""

    packages: list[Path]
    open: Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def folder(
    make_package: Callable[..., Path],
    onnx_sigmoid: bytes,
    torchscript: Callable[..., bytes],
    planted_worker: Callable[[str], tuple[str, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Folder:
    def make(name: str, network: str = "sigmoid", *, threshold: float = 0.5, **options: Any) -> Path:
        return make_package(network, at=f"twenty/{name}", config=tuned(threshold), **options)

    def torch_weights(content: bytes) -> Rdf:
        def edit(rdf: Rdf) -> None:
            rdf["weights"]["torchscript"]["sha256"] = hashlib.sha256(content).hexdigest()

        return {"edit": edit, "files": {"weights.pt": content}}

    def onnx_weights(content: bytes) -> Rdf:
        entry = {"source": "weights.onnx", "opset_version": 17, "sha256": hashlib.sha256(content).hexdigest()}
        return {
            "edit": lambda rdf: rdf.update(weights={"onnx": entry}),
            "files": {"weights.onnx": content, "weights.pt": None},
        }

    def outside(rdf: Rdf) -> None:
        rdf["documentation"] = "../../../etc/passwd"

    def absurd(rdf: Rdf) -> None:
        rdf["inputs"][0]["axes"][3]["size"] = {"min": 10**9, "step": 1}

    laughs = b"a: &a [lol, lol]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (n, n, n - 1, n - 1) for n in range(98, 122))
    packages = [
        make("good.zip"),
        make("good-onnx.zip", **onnx_weights(onnx_sigmoid)),
        make("good-folder", "convs", folder=True, halo_px=16),
        _bomb(make("bomb.zip")),
        make("climbs.zip", files={"../../evil.py": b"raise SystemExit"}),
        make("outside", folder=True, edit=outside),
        make("laughs.zip", files={"rdf.yaml": laughs}),
        make("absurd.zip", edit=absurd),
        make("damaged.zip", files={"weights.pt": b"other weights"}),
        make("no-weights.zip", **torch_weights(b"no weights")),
        make("writes-file.zip", "writes-file", arguments={"path": str(tmp_path / "written")}),
        make("elsewhere.zip", **onnx_weights(_data_elsewhere(onnx_sigmoid))),
        make("nan.zip", "nan"),
        make("channels.zip", "twice"),
        make("half.zip", "grid2"),
        make("segfault.zip", "segfault"),
        make("hungry.zip", "hungry"),
        *(make(f"{name}.zip", threshold=0.6 + 0.01 * n) for n, name in enumerate(PLANTED)),  # else they were one row
    ]
    assert len(packages) == 20
    assert {path.stem for path in packages} == GOOD | set(REASONS)

    worker, model_process = process.WORKER, process.ModelProcess

    def open_somehow(path: Path, **options: Any) -> AbstractContextManager[Any]:
        if path.stem in CRASHED | {"good"}:
            planted = path.stem in PLANTED
            monkeypatch.setattr(process, "WORKER", planted_worker(PLANTED[path.stem]) if planted else worker)
            running = model_process(path, **options)
            running._limit = 1 if planted else 60
            return running
        return nullcontext(_here(path, **options))

    return Folder(packages, open_somehow)


def _here(path: Path, *, time_limit_s: float, memory_limit_gib: float | None, **options: Any) -> Model:
    """The model in this process."""
    return Model(open_package(path), **options)


def _bomb(path: Path) -> Path:
    """A package with another archive inside that unpacks to far more than it is, and that to more again."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2**24))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("zeros", bytes(2**10))
        archive.getinfo("zeros").file_size = 2**36
    return path


def _data_elsewhere(weights: bytes) -> bytes:
    model = onnx.ModelProto.FromString(weights)
    tensor = model.graph.initializer.add(name="w", data_type=1, dims=[1], data_location=1)
    tensor.external_data.add(key="location", value="../../secret")
    return model.SerializeToString()


def run(
    folder: Folder, reports: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, Any]:
    """Exit code and leaderboard of the command line, which prints nothing that is no line for a person."""
    models = [word for path in folder.packages for word in ("--model", str(path))]
    limits = ["--time-limit", "60", "--memory-limit", "1.5", "--device", "cpu"]
    words = ["run", *models, "--dataset", "demo", *limits, "--reports", str(reports), "--json"]
    monkeypatch.setattr(sys, "argv", ["zooscope", *words])
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        cli.main()
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    (board,) = json.loads(captured.out)
    return int(end.value.code or 0), board


def files_of(folder: Path) -> dict[Path, tuple[int, int]]:
    """Every file with what changes when it is written again."""
    found = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {path: (stat.st_mtime_ns, stat.st_ino) for path, stat in found.items()}


def test_a_run_over_twenty_packages_ends_with_twenty_rows_or_reasons(
    folder: Folder, fresh_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    reports = tmp_path / "reports"
    monkeypatch.setattr(process, "ModelProcess", folder.open)
    code, board = run(folder, reports, monkeypatch, capsys)
    assert code == cli.ROWS_FAILED == 3
    assert {row["model"] for row in board["rows"]} == GOOD
    reasons = {failed["model"]: failed["reason"] for failed in board["failures"]}
    assert set(reasons) == set(REASONS)
    for name, reason in REASONS.items():
        assert reasons[name].startswith(reason), name
        assert "\n" not in reasons[name]

    kept = {result.run["model"]["name"]: result for result in Results(reports).all(dataset="demo@1", split="test")}
    assert set(kept) == GOOD | set(REASONS)
    assert {name for name, result in kept.items() if result.run.get("crashed")} == CRASHED
    assert all(kept[name].run["reason"] == reason for name, reason in reasons.items())
    assert "Segmentation fault" in kept["segfault"].run["log"]
    assert kept["hangs"].run["log"].rstrip().endswith("still at it")
    assert all(len(kept[name].images) == 10 for name in GOOD)
    assert not (tmp_path / "written").exists()
    assert not (tmp_path.parent / "evil.py").exists()

    # a second run computes nothing: no model is opened, no row written
    monkeypatch.setattr(process, "ModelProcess", lambda *_, **__: pytest.fail("a model was opened again"))
    rows = files_of(reports / "results")
    again, same = run(folder, reports, monkeypatch, capsys)
    assert (again, same) == (3, board)
    assert files_of(reports / "results") == rows


def test_the_four_foreign_packages_are_ranked_or_say_why_not(
    mirror: Path, fresh_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    packages = sorted((mirror / "packages").glob("*.zip"))
    if len(packages) != 4:
        pytest.skip(f"{mirror / 'packages'} does not hold the four packages")
    from zooscope.decode import threshold_components

    monkeypatch.setattr(threshold_components, "SEARCH", {"threshold": (0.5,), "min_size_px": (16,)})

    def open_here(path: Path, **options: Any) -> AbstractContextManager[Any]:
        return nullcontext(_here(path, **options))

    monkeypatch.setattr(process, "ModelProcess", open_here)
    code, board = run(Folder(packages, open_here), tmp_path / "reports", monkeypatch, capsys)
    assert code == 3
    scores = {row["model"]: row["standings"]["all"]["scores"]["ap50.per-image@1"]["score"] for row in board["rows"]}
    old, new = (scores[f"unet2d-nuclei-broad-v0.{n}"] for n in (4, 5))
    assert old == new > 0.4
    assert {failed["model"]: failed["reason"] for failed in board["failures"]} == FOREIGN
