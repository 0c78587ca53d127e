"""What every method's package must be: complete, the same bytes each time, good where there is no zooscope."""

import ast
import filecmp
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import imagecodecs
import numpy as np
import torch

import zooscope
from zooscope.check import check, parity_limit
from zooscope.data import load_dataset
from zooscope.decode import find_decoder
from zooscope.sample import Task
from zooscope_zoo.method import Method
from zooscope_zoo.packaging.method_card import method_card
from zooscope_zoo.packaging.trained import MAX_HALO_PX, Trained
from zooscope_zoo.training.run_folder import RunFolder

FORMATS = ("pytorch_state_dict", "torchscript", "onnx")
WITHOUT_ZOOSCOPE = Path(__file__).parent / "without_zooscope.py"


def checksums(package: Path) -> dict[str, int]:
    """Of its files by name, so that a difference is named (of all bytes, pytest's comparison takes hours)."""
    with zipfile.ZipFile(package) as archive:
        return {info.filename: info.CRC for info in archive.infolist()}


def test_exported_twice_from_two_folders_it_is_the_same_byte_for_byte(run: Path, package: Path, tmp_path: Path):
    shutil.copytree(run, tmp_path / "elsewhere" / "another name")
    words = ["export", "elsewhere/another name", "-o", "again.zip", "--author", "a test", "--tag", "nuclei"]
    command = [sys.executable, "-c", "from zooscope.cli import main; main()", *words]
    env = {**os.environ, "ZOOSCOPE_CACHE": str(tmp_path / "cache"), "PYTHONHASHSEED": "7"}
    subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True)
    assert checksums(tmp_path / "again.zip") == checksums(package)
    assert filecmp.cmp(tmp_path / "again.zip", package, shallow=False)


def test_no_file_that_it_runs_holds_a_path_of_this_machine(files: dict[str, bytes]):
    for name in ("weights.pt", "torchscript.pt", "weights.onnx", "architecture.py"):
        assert b"site-packages" not in files[name]
        assert str(Path(__file__).parents[2]).encode() not in files[name]


def test_its_check_finds_no_error_and_each_format_passes_bioimageio_cores_own_test(package: Path):
    findings = list(check(package, trust=True))
    assert [str(finding) for finding in findings if finding.level == "error"] == []
    fine = [str(finding) for finding in findings if finding.level == "ok"]
    for weights in FORMATS:
        assert any(line.startswith(f"ok: {weights}: passes core's test") for line in fine), fine
    agree = [line for line in fine if line.startswith("ok: parity: ")]
    assert len(agree) == 2
    assert all(len(re.findall(r"\d+x\d+", line)) == 3 for line in agree)
    others = ("deepImageJ", "ilastik", "QuPath", "zooscope")
    for about in ("licence", "cover", "tags", "card", "tolerances", "format version", *others):
        assert any(line.startswith(f"ok: {about}: ") for line in fine), fine


def test_its_card_shows_that_the_formats_agree_at_three_sizes(files: dict[str, bytes], trained: Trained):
    row = r"^\| (TorchScript|ONNX) \| (\d+)x(\d+) \| (\S+) \| (\S+) \|$"
    found = re.findall(row, files["README.md"].decode(), flags=re.MULTILINE)
    sizes = {(int(y), int(x)) for _, y, x, _, _ in found}
    assert {name for name, *_ in found} == {"TorchScript", "ONNX"}
    assert (len(found), len(sizes)) == (6, 3)
    assert any(y > x for y, x in sizes)
    assert any(y < x for y, x in sizes)
    assert all(trained.sizes.at_least(edge) == edge for size in sizes for edge in size)
    for *_, difference, allowed in found:
        assert float(difference) <= float(allowed)


def test_a_process_without_zooscope_gets_the_same_maps_from_each_format(
    package: Path, files: dict[str, bytes], tmp_path: Path
):
    command = [sys.executable, str(WITHOUT_ZOOSCOPE), str(package), "out.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    image = np.load(io.BytesIO(files["test_input.npy"]))[0, 0]
    _, ours = zooscope.load_model(package, device="cpu").predict(image, "yx", return_maps=True)
    found = np.load(tmp_path / "out.npz")
    assert set(found) == set(FORMATS)
    for weights in FORMATS:
        np.testing.assert_allclose(found[weights][0], ours, atol=parity_limit(ours), rtol=0)


def test_the_architecture_file_builds_the_very_network_and_imports_torch_alone(
    files: dict[str, bytes], rdf: dict[str, Any], trained: Trained
):
    source, entry = files["architecture.py"].decode(), rdf["weights"]["pytorch_state_dict"]["architecture"]
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names if isinstance(node, ast.Import)}
    names |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= {"torch", *sys.stdlib_module_names}
    module = ModuleType("architecture")
    exec(source, module.__dict__)
    network = getattr(module, entry["callable"])(**entry["kwargs"]).eval()
    network.load_state_dict(torch.load(io.BytesIO(files["weights.pt"]), weights_only=True))
    smallest, step = trained.sizes.minimum, trained.sizes.step
    image = torch.rand(1, trained.settings.channels, smallest, smallest + step)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), trained.network()(image), rtol=0, atol=0)


def test_the_weights_are_those_that_its_method_keeps_rounded_to_half_precision(
    files: dict[str, bytes], run: Path, method: Method
):
    state = torch.load(io.BytesIO(files["weights.pt"]), weights_only=True)
    before = RunFolder(run).read_weights(method.keeps)
    assert set(state) == set(before)
    for name, value in state.items():
        if value.is_floating_point():
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, before[name].half().float(), rtol=0, atol=0)


def test_it_says_its_method_its_training_data_its_receptive_field_and_how_it_is_decoded(
    rdf: dict[str, Any], method: Method, trained: Trained, training_set: str
):
    ours = rdf["config"]["zooscope"]
    assert ours["method"] == method.id
    assert ours["network"] == trained.settings.model_dump()
    assert ours["receptive_field_px"] == method.describe(trained.settings).receptive_field_px
    (data,) = ours["training_data"]
    assert (data["dataset"], data["digest"], data["licence"]) == (
        training_set,
        load_dataset(training_set).digest,
        "CC0-1.0",
    )
    assert data["strata"] == "fluorescence-*"
    decoder, found = ours["decoder"], find_decoder(method.decoder(trained.settings))
    assert (decoder["id"], decoder["version"]) == (method.decoder(trained.settings), found.VERSION)
    for name, values in found.SEARCH.items():
        assert decoder["params"][name] in values
    scores = ours["validation"]["scores"]
    if method.task is Task.RESTORATION:
        assert scores["psnr.range-gt@1"] > scores["noisy psnr.range-gt@1"]
    else:
        assert 0 < scores["ap50.per-image@1"] <= 1


def test_the_format_is_one_that_older_tools_read(rdf: dict[str, Any], method: Method, training_set: str):
    assert rdf["format_version"] == "0.5.10"
    assert rdf["covers"] == ["cover.png"]
    assert rdf["documentation"] == "README.md"
    assert rdf["license"] == "BSD-3-Clause"
    assert rdf["authors"] == [{"name": "a test"}]
    card = method_card(method)
    assert {"nuclei", training_set, *card.tags} == set(rdf["tags"])
    assert {item["doi"] for item in rdf["cite"]} == {*(item.doi for item in card.cite), "10.1038/s41592-019-0612-7"}
    assert not any("timestamp" in key for key in rdf)


def test_its_halo_holds_the_receptive_field_or_is_the_largest_and_its_tiles_hold_two(
    rdf: dict[str, Any], method: Method, trained: Trained
):
    grid, multiple = method.grid(trained.settings), method.multiple_px(trained.settings)
    for given, made in zip(rdf["inputs"][0]["axes"][2:], rdf["outputs"][0]["axes"][2:], strict=True):
        halo = made["halo"] * grid
        assert made["scale"] == grid
        assert halo >= min(method.describe(trained.settings).receptive_field_px // 2, MAX_HALO_PX)
        assert given["size"]["min"] > 2 * halo
        assert given["size"]["min"] % multiple == given["size"]["step"] % multiple == 0


def test_its_card_has_what_a_reader_needs(files: dict[str, bytes], method: Method, trained: Trained, training_set: str):
    text, card = files["README.md"].decode(), method_card(method)
    for heading in ("Intended use", "Training data", "Validation", "Receptive field", "Limits", "Citation", "Licence"):
        assert f"\n## {heading}\n" in text
    assert card.intended_use
    assert card.limits
    for part in (card.summary, card.intended_use, card.limits, *(item.doi for item in card.cite)):
        assert part in text
    assert all(item.doi.startswith("10.") for item in card.cite)
    assert f"2 validation images of {training_set}" in text
    assert ("chosen on these very images" in text) is (method.keeps == "best")
    assert ("measuring intensities" in text) is (method.task is Task.RESTORATION)
    assert "CC0-1.0" in text
    assert f"{method.describe(trained.settings).receptive_field_px} px" in text


def test_its_cover_is_a_small_picture_of_an_image_and_what_was_found(files: dict[str, bytes]):
    assert "(cover.png)" in files["README.md"].decode()
    assert len(files["cover.png"]) < 500_000
    height, width, _ = imagecodecs.png_decode(files["cover.png"]).shape
    assert width == 2 * height


def test_its_card_shows_how_the_losses_fell(files: dict[str, bytes], rdf: dict[str, Any], run: Path):
    assert "(curves.png)" in files["README.md"].decode()
    assert files["curves.png"] == (run / "curves.png").read_bytes()
    assert "curves.png" in [attachment["source"] for attachment in rdf["attachments"]]
