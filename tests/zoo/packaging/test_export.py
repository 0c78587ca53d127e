"""Packages: complete, the same bytes each time, and good for bioimageio.core and for the harness alike."""

import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.segmentation import relabel_sequential

import zooscope
from zooscope.check import check
from zooscope.data import Dataset
from zooscope.decode import stardist
from zooscope.errors import DataError, UsageError, ZooscopeError
from zooscope_zoo.packaging.export import Publisher, export
from zooscope_zoo.training.run_folder import RunFolder

ReadRdf = Callable[[Path], dict[str, Any]]


def array(package: Path, name: str) -> np.ndarray[Any, Any]:
    """A test tensor of a package."""
    with zipfile.ZipFile(package) as archive:
        return np.load(io.BytesIO(archive.read(name)))


def test_exported_twice_from_two_folders_it_is_the_same_byte_for_byte(
    unet_run: Path, unet_package: Path, tmp_path: Path
):
    shutil.copytree(unet_run, tmp_path / "elsewhere" / "another name")
    words = ["export", "elsewhere/another name", "-o", "again.zip", "--author", "a test", "--tag", "nuclei"]
    command = [sys.executable, "-c", "from zooscope.cli import main; main()", *words]
    env = {**os.environ, "ZOOSCOPE_CACHE": str(tmp_path / "cache"), "PYTHONHASHSEED": "7"}
    subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True)
    assert (tmp_path / "again.zip").read_bytes() == unet_package.read_bytes()


@pytest.mark.parametrize("which", ["stardist_package", "rgb_package", "labels_package"])
def test_a_package_passes_its_check_with_all_three_formats(which: str, request: pytest.FixtureRequest):
    findings = list(check(request.getfixturevalue(which), trust=True))
    assert [str(finding) for finding in findings if finding.level == "error"] == []
    said = [str(finding) for finding in findings]
    for weights in ("pytorch_state_dict", "torchscript", "onnx"):
        assert any(line.startswith(f"ok: {weights}: passes core's test") for line in said)
    assert sum(line.startswith("ok: parity") for line in said) == 2
    for about in ("licence", "cover", "tags", "card", "tolerances", "ilastik", "QuPath", "format version"):
        assert any(line.startswith(f"ok: {about}: ") for line in said), said
    known = "deepImageJ: knows no stardist_postprocessing" if which == "labels_package" else "ok: deepImageJ"
    assert any(known in line for line in said)


def test_it_says_what_it_was_trained_on_and_how_it_is_decoded(stardist_package: Path, read_rdf: ReadRdf, demo: Dataset):
    ours = read_rdf(stardist_package)["config"]["zooscope"]
    assert ours["method"] == "stardist"
    assert ours["network"]["rays"] == 8
    assert ours["receptive_field_px"] == 103
    (data,) = ours["training_data"]
    assert (data["dataset"], data["digest"], data["licence"]) == ("demo", demo.digest, "CC0-1.0")
    assert data["strata"] == "fluorescence-*"
    decoder = ours["decoder"]
    assert (decoder["id"], decoder["version"]) == ("stardist", stardist.VERSION)
    for name, values in stardist.SEARCH.items():
        assert decoder["params"][name] in values
    assert 0 < ours["validation"]["scores"]["ap50.per-image@1"] <= 1


def test_the_format_is_one_that_older_tools_read(stardist_package: Path, read_rdf: ReadRdf):
    rdf = read_rdf(stardist_package)
    assert rdf["format_version"] == "0.5.10"
    assert rdf["covers"] == ["cover.png"]
    assert rdf["documentation"] == "README.md"
    assert rdf["license"] == "BSD-3-Clause"
    assert rdf["authors"] == [{"name": "a test"}]
    assert {"nuclei", "stardist", "demo"} <= set(rdf["tags"])
    assert {item["doi"] for item in rdf["cite"]} == {"10.1007/978-3-030-00934-2_30", "10.1038/s41592-019-0612-7"}
    (y, x) = rdf["outputs"][0]["axes"][2:]
    assert (y["scale"], x["scale"]) == (2.0, 2.0)
    (size,) = {(axis["size"]["min"], axis["size"]["step"]) for axis in rdf["inputs"][0]["axes"][2:]}
    assert size[0] > 2 * y["halo"] * 2
    assert not any("timestamp" in key for key in rdf)


def test_the_card_has_what_a_reader_needs(stardist_package: Path):
    with zipfile.ZipFile(stardist_package) as archive:
        card = archive.read("README.md").decode()
        cover = archive.read("cover.png")
    for heading in ("Intended use", "Training data", "Validation", "Receptive field", "Limits", "Citation", "Licence"):
        assert f"\n## {heading}\n" in card
    assert "2 validation images of demo" in card
    assert "chosen on these very images" in card
    assert "CC0-1.0" in card
    assert "103 px" in card
    assert card.count("| TorchScript |") == card.count("| ONNX |") == 3
    assert "(cover.png)" in card
    assert len(cover) < 500_000
    import imagecodecs

    height, width, _ = imagecodecs.png_decode(cover).shape
    assert width == 2 * height


def test_the_weights_are_rounded_to_half_precision(stardist_package: Path, stardist_run: Path):
    import torch

    with zipfile.ZipFile(stardist_package) as archive:
        state = torch.load(io.BytesIO(archive.read("weights.pt")), weights_only=True)
    before = RunFolder(stardist_run).read_weights("best")
    assert set(state) == set(before)
    for name, value in state.items():
        if value.is_floating_point():
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, before[name].half().float(), rtol=0, atol=0)


@pytest.mark.parametrize("which", ["unet_package", "stardist_package", "rgb_package"])
def test_the_harness_loads_it_and_finds_objects_as_its_author_set_it(
    which: str, request: pytest.FixtureRequest, demo: Dataset
):
    package = request.getfixturevalue(which)
    colour = which == "rgb_package"
    sample = next(sample for sample in demo if sample.axes == ("yxc" if colour else "yx"))
    for weights in ("torchscript", "onnx"):
        model = zooscope.load_model(package, weights=weights)
        assert model.package.decoder is not None
        labels, maps = model.predict(sample.image.values, sample.axes, return_maps=True)
        assert labels.shape == sample.target.shape
        assert labels.dtype == np.int32
        assert np.isfinite(maps).all()


WITHOUT_ZOOSCOPE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("zooscope", "zooscope_zoo"):
            raise ModuleNotFoundError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
try:
    import zooscope
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("zooscope is not blocked")

import numpy as np
from bioimageio.core import create_prediction_pipeline, load_description
from bioimageio.core.digest_spec import get_test_input_sample

model = load_description(sys.argv[1])
found = {}
for weights in ("pytorch_state_dict", "torchscript", "onnx"):
    with create_prediction_pipeline(model, weight_format=weights, devices=["cpu"]) as pipeline:
        out = pipeline.predict_sample_without_blocking(
            get_test_input_sample(model), skip_input_padding=True, skip_output_cropping=True
        )
        found[weights] = next(iter(out.members.values())).data.to_numpy()
np.savez(sys.argv[2], **found)
"""


def run_without_zooscope(package: Path, folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """What bioimageio.core alone makes of a package's test input, by weights format."""
    command = [sys.executable, "-c", WITHOUT_ZOOSCOPE, str(package), str(folder / "out.npz")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(np.load(folder / "out.npz"))


def test_a_process_without_zooscope_gets_the_same_maps(stardist_package: Path, tmp_path: Path):
    image = array(stardist_package, "test_input.npy")[0, 0]
    _, maps = zooscope.load_model(stardist_package).predict(image, "yx", return_maps=True)
    for found in run_without_zooscope(stardist_package, tmp_path).values():
        np.testing.assert_allclose(found[0], maps, atol=1e-4 * max(1, np.abs(maps).max()), rtol=0)


def test_with_postprocessing_bioimageio_core_finds_the_objects_that_our_decoder_finds(
    labels_package: Path, stardist_package: Path, tmp_path: Path
):
    image = array(stardist_package, "test_input.npy")[0, 0]
    ours = zooscope.load_model(stardist_package).predict(image, "yx")
    assert ours.max() > 3
    for found in run_without_zooscope(labels_package, tmp_path).values():
        theirs = relabel_sequential(found[0, ..., 0].astype(np.int32))[0]
        np.testing.assert_array_equal(theirs, ours)


def test_a_method_without_an_operation_of_the_format_says_so(unet_run: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="no operation that does what unet's decoder boundary-watershed does"):
        export(unet_run, tmp_path / "out.zip", with_postprocessing=True)


def test_a_folder_without_training_and_an_output_that_is_no_zip_are_refused(unet_run: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="no training here"):
        export(tmp_path, tmp_path / "out.zip")
    with pytest.raises(UsageError, match=r"ends in \.zip"):
        export(unet_run, tmp_path / "out.tar")


def test_data_that_changed_since_the_training_is_refused(unet_run: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(unet_run, run)
    about = (run / "about.json").read_text()
    digest = RunFolder(run).about()["data"][0]["digest"]
    (run / "about.json").write_text(about.replace(digest, "0" * 64))
    with pytest.raises(DataError, match=r"data set 'demo': its content's digest is .* trained on 000000000000"):
        export(run, tmp_path / "out.zip")


def test_weights_beyond_half_precision_are_refused(unet_run: Path, tmp_path: Path):
    run = RunFolder(tmp_path / "run")
    shutil.copytree(unet_run, run.path)
    weights = run.read_weights("best")
    weights["head.bias"] = weights["head.bias"] + 1e6
    run.write_weights("best", weights)
    with pytest.raises(UsageError, match=r"weight 'head.bias' reaches 1e\+06, beyond half precision"):
        export(run.path, tmp_path / "out.zip")


def test_a_licence_that_does_not_exist_is_refused_before_anything_is_written(
    unet_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unet_package: Path
):
    from zooscope_zoo.packaging import formats

    with zipfile.ZipFile(unet_package) as archive:
        names = ("weights.pt", "torchscript.pt", "weights.onnx", "architecture.py")
        files = {name: archive.read(name) for name in names}
    monkeypatch.setattr(formats, "weights_files", lambda trained, code: files)
    with pytest.raises(ZooscopeError, match="would not be valid: license"):
        export(unet_run, tmp_path / "out.zip", publisher=Publisher(licence="none of your business"))
    assert not (tmp_path / "out.zip").exists()
