"""Check: what it finds in good, damaged, lying, crashing and foreign packages; and that it runs nobody's Python."""

import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml

from zooscope import cli
from zooscope.bundled import bundled
from zooscope.check import _difference, check, validate
from zooscope.lints import Finding, lints

Edit = Callable[[dict[str, Any]], object]
Change = Callable[..., Path]


@pytest.fixture
def changed(tmp_path: Path) -> Change:
    """Makes a package of nuclei-tiny with other files (None: without) and an edited description, digests set right."""

    def make(edit: Edit | None = None, *, digests: bool = True, **files: bytes | None) -> Path:
        with zipfile.ZipFile(bundled("weights") / "nuclei-tiny.zip") as archive:
            inside: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
        inside |= {name.replace("__", "."): content for name, content in files.items()}
        rdf = yaml.safe_load(inside.pop("rdf.yaml") or b"")
        if digests:
            _set_digests(rdf, inside)
        if edit:
            edit(rdf)
        inside["rdf.yaml"] = yaml.safe_dump(rdf).encode()
        path = tmp_path / "changed.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in inside.items():
                if content is not None:
                    archive.writestr(name, content)
        return path

    return make


def member(name: str) -> bytes:
    """A file of nuclei-tiny."""
    with zipfile.ZipFile(bundled("weights") / "nuclei-tiny.zip") as archive:
        return archive.read(name)


def said(findings: Iterator[Finding], level: str = "error") -> list[str]:
    """Findings of one level as lines."""
    return [f"{finding.about}: {finding.text}" for finding in findings if finding.level == level]


def test_a_good_package_has_no_error_and_passes_in_each_format_that_runs_here():
    findings = list(check(bundled("weights") / "nuclei-tiny.zip"))
    assert said(iter(findings)) == []
    fine = "\n".join(said(iter(findings), "ok"))
    for line in ("torchscript: passes core's test (7 steps)", "onnx: passes core's test (7 steps)", "QuPath: 2D in"):
        assert line in fine
    assert "parity: onnx differs from torchscript by" in fine or "parity: torchscript differs from onnx by" in fine
    assert "ranks it with the decoder boundary-watershed@1" in fine


def test_damaged_weights_are_named_and_not_run(changed: Change):
    content = bytearray(member("weights.onnx"))
    content[len(content) // 2] ^= 1
    findings = list(check(changed(digests=False, weights__onnx=bytes(content))))
    assert said(iter(findings)) == ["files: 'weights.onnx' is damaged: its sha256 is not the one in the description"]
    assert "tests: not run, because files are damaged" in said(iter(findings), "warning")


def test_a_file_that_is_missing_is_named(changed: Change):
    assert said(check(changed(cover__png=None))) == [
        "files: 'cover.png' is named in the description but is not in the package"
    ]


def test_a_test_output_that_the_network_does_not_give_is_an_error(changed: Change):
    buffer = io.BytesIO()
    np.save(buffer, np.load(io.BytesIO(member("test_output.npy")))[..., ::-1])
    found = said(check(changed(test_output__npy=buffer.getvalue())))
    assert len(found) == 2
    assert all("core's test: Reproduce test outputs from test inputs" in line for line in found)
    assert {line.partition(":")[0] for line in found} == {"torchscript", "onnx"}


def test_weights_formats_that_disagree_are_an_error(changed: Change):
    model = onnx.load_from_string(member("weights.onnx"))
    bias = model.graph.initializer[-1]
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(0.05), bias.name))
    found = said(check(changed(weights__onnx=model.SerializeToString())))
    assert any(line.startswith("parity: ") and "(allowed 0.0001)" in line for line in found)


def test_an_invalid_description_is_explained_and_goes_no_further(changed: Change):
    def spoil(rdf: dict[str, Any]) -> None:
        rdf["name"] = "x"
        rdf["inputs"][0]["axes"][2]["size"] = {"min": 0, "step": 8}

    findings = list(check(changed(spoil)))
    assert {finding.about for finding in findings if finding.level == "error"} == {"format"}
    text = "\n".join(said(iter(findings)))
    assert "name: " in text
    assert "inputs.0.axes" in text
    assert not any(finding.about in ("torchscript", "ilastik") for finding in findings)


def test_something_that_is_no_package_is_one_error(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("hello.txt", "hello")
    assert said(check(tmp_path / "other.zip")) == [
        "package: not a BioImage.IO package: none of rdf.yaml, bioimageio.yaml, model.yaml is in it"
    ]


ARCHITECTURE = """
from pathlib import Path
import torch
Path({marker!r}).touch()

class Net(torch.nn.Module):
    def forward(self, x):
        return torch.cat([x.sigmoid(), x.tanh()], dim=1)
"""


@pytest.fixture
def foreign(changed: Change, tmp_path: Path) -> tuple[Path, Path]:
    """A package with a state dict alone, whose Python leaves a marker when it runs; and that marker."""
    marker, state = tmp_path / "it-ran", io.BytesIO()
    torch.save({}, state)
    source = ARCHITECTURE.format(marker=str(marker)).encode()

    def only_state_dict(rdf: dict[str, Any]) -> None:
        code = {"source": "net.py", "sha256": hashlib.sha256(source).hexdigest(), "callable": "Net"}
        rdf["weights"] = {
            "pytorch_state_dict": {
                "source": "state.pt",
                "sha256": hashlib.sha256(state.getvalue()).hexdigest(),
                "architecture": code,
                "pytorch_version": "2.6.0",
            }
        }

    return changed(only_state_dict, net__py=source, state__pt=state.getvalue()), marker


def test_without_trust_no_python_of_the_package_runs_and_it_says_so(foreign: tuple[Path, Path]):
    package, marker = foreign
    findings = list(check(package))
    assert not marker.exists()
    assert said(iter(findings)) == []
    warned = said(iter(findings), "warning")
    assert "pytorch_state_dict: not tested: it may run the package's own Python; --trust allows it" in warned
    assert "tests: no weights were tested" in warned


def test_with_trust_it_runs(foreign: tuple[Path, Path]):
    package, marker = foreign
    found = said(check(package, trust=True))
    assert marker.exists()
    assert any("pytorch_state_dict: core's test: Reproduce test outputs" in line for line in found)


def test_a_custom_operation_keeps_every_format_from_being_tested_without_trust(changed: Change, tmp_path: Path):
    marker = tmp_path / "it-ran"
    source = f"from pathlib import Path\nPath({str(marker)!r}).touch()\n\ndef run(array):\n    return array\n".encode()

    def custom(rdf: dict[str, Any]) -> None:
        rdf |= {"format_version": "0.5.12", "covers": [{"source": "cover.png"}]}
        rdf["documentation"] = {"source": "README.md"}
        operation = {"id": "custom", "callable": "run", "source": "op.py", "sha256": hashlib.sha256(source).hexdigest()}
        rdf["outputs"][0]["postprocessing"] = [operation]

    findings = list(check(changed(custom, op__py=source)))
    assert not marker.exists()
    assert said(iter(findings)) == []
    warned = said(iter(findings), "warning")
    for name in ("torchscript", "onnx"):
        assert f"{name}: not tested: its processing runs the package's own Python; --trust allows it" in warned
    assert "deepImageJ: knows no custom" in warned
    assert any(line.startswith("format version: 0.5.12") for line in warned)


def test_a_network_that_crashes_or_hangs_is_an_error_and_nothing_else(make_package: Callable[..., Path]):
    assert any(
        "torchscript: core's test ended with exit code -11" in line for line in said(check(make_package("segfault")))
    )
    found = said(check(make_package("endless"), time_limit_s=8))
    assert found == ["torchscript: core's test took longer than 8 s and was stopped"]


def test_weights_that_reach_beyond_the_network_are_never_given_to_core(
    make_package: Callable[..., Path], tmp_path: Path
):
    found = said(check(make_package("writes-file", arguments={"path": str(tmp_path / "written")})))
    assert found == [
        "torchscript: core's test was not run: its TorchScript code uses 'save', which reaches beyond the network; "
        "refused"
    ]
    assert not (tmp_path / "written").exists()


def linted(
    path: Path, card: str | None = "# A\n## Intended use\n## Training data\n## Validation\n"
) -> dict[str, Finding]:
    """Lints of a package by what they are about."""
    description, _ = validate(path)
    assert description is not None
    with zipfile.ZipFile(path) as archive:
        rdf = yaml.safe_load(archive.read("rdf.yaml"))
    return {finding.about: finding for finding in lints(rdf, description, card)}


def test_lints_warn_of_what_a_package_does_not_say(changed: Change):
    def silent(rdf: dict[str, Any]) -> None:
        del rdf["license"]
        rdf["tags"] = ["nuclei"]
        rdf["covers"] = []
        rdf["config"]["bioimageio"] = {"reproducibility_tolerance": [{"relative_tolerance": 0.009}]}

    found = linted(changed(silent), "# A\n## Validation\nintended use: none")
    assert {about for about, finding in found.items() if finding.level == "warning"} >= {
        "licence",
        "tags",
        "card",
        "tolerances",
    }
    assert found["card"].text == "no heading tells of intended use, training data"
    assert "relative 0.009" in found["tolerances"].text
    assert linted(changed(silent), None)["card"].text == "its documentation is not in the package"


def test_a_licence_looser_than_that_of_the_data_is_warned_of(changed: Change):
    def from_livecell(rdf: dict[str, Any]) -> None:
        rdf["config"]["zooscope"] = {"training_data": [{"dataset": "livecell", "licence": "CC-BY-NC-4.0"}]}

    found = linted(changed(from_livecell))["licence"]
    assert (found.level, found.text) == ("warning", "BSD-3-Clause, but it was trained on data under CC-BY-NC-4.0")

    def nonsense(rdf: dict[str, Any]) -> None:
        rdf["config"]["zooscope"] = {"training_data": ["livecell", {"licence": None}]}

    assert linted(changed(nonsense))["licence"].level == "ok"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_formats_that_agree_but_for_a_nan_do_not_agree(value: float):
    reference = np.zeros((1, 2, 4, 4), np.float32)
    other = reference.copy()
    other[0, 1, 2, 3] = value
    assert _difference(reference, other) == np.inf
    assert _difference(reference, reference) == 0


def test_lints_know_what_other_tools_take(changed: Change):
    def for_few(rdf: dict[str, Any]) -> None:
        rdf["weights"]["onnx"]["opset_version"] = 19
        del rdf["weights"]["torchscript"], rdf["weights"]["onnx"]["parent"]
        rdf["inputs"][0]["preprocessing"].append({"id": "clip", "kwargs": {"min": 0.0, "max": 1.0}})
        rdf["outputs"][0]["postprocessing"] = [{"id": "softmax", "kwargs": {"axis": "channel"}}]

    found = linted(changed(for_few))
    assert found["QuPath"].text == "runs TorchScript; this has none"
    assert found["deepImageJ"].text == "knows no softmax"
    assert found["ilastik"].level == "ok"

    def too_new(rdf: dict[str, Any]) -> None:
        for_few(rdf)
        del rdf["outputs"][0]["postprocessing"]

    found = linted(changed(too_new))
    assert found["deepImageJ"].level == "warning"
    assert "opset 18" in found["deepImageJ"].text


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_specs_own_nuclei_model_passes(mirror: Path, version: str):
    findings = list(check(mirror / "packages" / f"unet2d-nuclei-broad-v{version}.zip"))
    assert said(iter(findings)) == []
    fine, warned = said(iter(findings), "ok"), said(iter(findings), "warning")
    assert any(line.startswith("torchscript: passes core's test") for line in fine)
    assert any(line.startswith("onnx: passes core's test") for line in fine)
    assert any(line.startswith("card: no heading tells of") for line in warned)


def test_old_and_unusual_packages_get_sensible_findings(mirror: Path):
    keras = list(check(mirror / "packages" / "pancreatic-phase-keras-v0.3.zip", trust=True))
    assert said(iter(keras)) == []
    assert any("keras_hdf5: not tested: it needs TensorFlow" in line for line in said(iter(keras), "warning"))
    two = said(check(mirror / "packages" / "two-inputs-two-outputs-v0.5.zip"), "warning")
    assert "ilastik: takes one input and one output tensor; this has 2 and 2" in two
    assert any("zooscope: cannot rank it: takes 2 inputs" in line for line in two)


def test_the_verb_ends_with_1_on_an_error_and_2_on_wrong_use(
    changed: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def code(*words: object) -> int:
        monkeypatch.setattr(sys, "argv", ["zooscope", "check", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0)

    assert code(changed(cover__png=None)) == 1
    out = capsys.readouterr().out
    assert out.startswith("error: files: 'cover.png' is named in the description")
    assert len(out.splitlines()) > 5
    assert code(changed(cover__png=None), "--json") == 1
    assert json.loads(capsys.readouterr().out)[0]["level"] == "error"
    assert code(tmp_path / "nowhere.zip") == 2


def _set_digests(rdf: Any, inside: dict[str, bytes | None]) -> None:
    """Give every file that is named its present digest."""
    if isinstance(rdf, dict):
        content = inside.get(str(rdf.get("source")))
        if content is not None and "sha256" in rdf:
            rdf["sha256"] = hashlib.sha256(content).hexdigest()
    for value in rdf.values() if isinstance(rdf, dict) else rdf if isinstance(rdf, list) else ():
        _set_digests(value, inside)
