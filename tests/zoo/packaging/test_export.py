"""Packages that not every method has: RGB, labels by the format's own operation; and what is refused."""

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from skimage.segmentation import relabel_sequential

import zooscope
from zooscope.check import check
from zooscope.contender import contender
from zooscope.data import Dataset, load_dataset
from zooscope.errors import DataError, UsageError, ZooscopeError
from zooscope_zoo.packaging.export import Publisher, export
from zooscope_zoo.training.run_folder import RunFolder

PUBLISHER = Publisher(authors=("a test",))
WITHOUT_ZOOSCOPE = Path(__file__).parents[2] / "conformance" / "without_zooscope.py"


@pytest.mark.parametrize("which", ["rgb_package", "labels_package"])
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


@pytest.mark.parametrize("weights", ["torchscript", "onnx"])
def test_the_harness_runs_a_network_of_rgb_images(rgb_package: Path, demo: Dataset, weights: str):
    sample = next(sample for sample in demo if sample.axes == "yxc")
    model = zooscope.load_model(rgb_package, weights=weights)
    assert model.package.decoder is not None
    labels, maps = model.predict(sample.image.values, sample.axes, return_maps=True)
    assert labels.shape == sample.target.shape
    assert labels.dtype == np.int32
    assert np.isfinite(maps).all()


def test_with_postprocessing_a_process_without_zooscope_finds_the_objects_that_our_decoder_finds(
    labels_package: Path, stardist_package: Path, tmp_path: Path
):
    with zipfile.ZipFile(stardist_package) as archive:
        image = np.load(io.BytesIO(archive.read("test_input.npy")))[0, 0]
    ours = zooscope.load_model(stardist_package).predict(image, "yx")
    assert ours.max() > 3
    command = [sys.executable, str(WITHOUT_ZOOSCOPE), str(labels_package), "out.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = np.load(tmp_path / "out.npz")
    assert set(found) == {"pytorch_state_dict", "torchscript", "onnx"}
    for name in found:
        theirs = relabel_sequential(found[name][0, ..., 0].astype(np.int32))[0]
        np.testing.assert_array_equal(theirs, ours)


def test_the_package_with_postprocessing_is_ranked_with_the_labels_of_the_one_without(
    labels_package: Path, stardist_package: Path, demo: Dataset
):
    dense, whole = contender(str(stardist_package)), contender(str(labels_package))
    assert (whole.protocol["decoder"], whole.params, whole.search) == ("stardist@1", dense.params, {})
    models = [zooscope.load_model(path) for path in (stardist_package, labels_package)]
    for sample in [sample for sample in demo if sample.axes == "yx"][:3]:
        ours, theirs = (model.predict(sample.image.values) for model in models)
        assert ours.max() > 3
        np.testing.assert_array_equal(theirs, ours)


def test_a_method_without_an_operation_of_the_format_says_so(unet_run: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="no operation that does what unet's decoder boundary-watershed does"):
        export(unet_run, tmp_path / "out.zip", with_postprocessing=True)


def test_with_test_time_augmentation_a_package_restores_a_mirrored_image_to_the_mirror_image(
    care_run: Path, tmp_path: Path
):
    package = export(care_run, tmp_path / "turned.zip", tta=True, publisher=PUBLISHER)
    assert [str(finding) for finding in check(package, trust=True) if finding.level == "error"] == []
    with zipfile.ZipFile(package) as archive:
        assert "test-time augmentation" in archive.read("README.md").decode()
    model = zooscope.load_model(package, device="cpu")
    image = next(iter(load_dataset("demo-noisy", split="test"))).image.values
    restored, mirrored = model.predict(image), model.predict(image[:, ::-1])
    np.testing.assert_allclose(mirrored[:, ::-1], restored, atol=1e-5 * np.ptp(restored))
    once = zooscope.load_model(export(care_run, tmp_path / "once.zip"), device="cpu")
    assert np.abs(once.predict(image) - restored).max() > 1e-3 * np.ptp(restored)


def test_a_package_with_uncertainty_gives_it_as_a_second_map_in_all_three_formats(laplace_run: Path, tmp_path: Path):
    package = export(laplace_run, tmp_path / "laplace.zip", publisher=PUBLISHER)
    assert [str(finding) for finding in check(package, trust=True) if finding.level == "error"] == []
    image = next(iter(load_dataset("demo-noisy", split="test"))).image.values
    restored, maps = zooscope.load_model(package, device="cpu").predict(image, return_maps=True)
    np.testing.assert_array_equal(restored, maps[0])
    assert maps.shape == (2, *image.shape)
    assert maps[1].min() > 0


def test_a_folder_without_training_and_an_output_that_is_no_zip_are_refused(unet_run: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="no training here"):
        export(tmp_path, tmp_path / "out.zip")
    with pytest.raises(UsageError, match=r"ends in \.zip"):
        export(unet_run, tmp_path / "out.tar")


def test_an_output_that_cannot_be_written_is_refused_before_the_work(unet_run: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="no file can be written there"):
        export(unet_run, tmp_path / "file" / "out.zip")


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
    stardist_run: Path, stardist_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from zooscope_zoo.packaging import formats

    with zipfile.ZipFile(stardist_package) as archive:
        names = ("weights.pt", "torchscript.pt", "weights.onnx", "architecture.py")
        files = {name: archive.read(name) for name in names}
    monkeypatch.setattr(formats, "weights_files", lambda trained, code: files)
    with pytest.raises(ZooscopeError, match="would not be valid: license"):
        export(stardist_run, tmp_path / "out.zip", publisher=Publisher(licence="none of your business"))
    assert not (tmp_path / "out.zip").exists()
