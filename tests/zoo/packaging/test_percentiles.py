"""Packages that scale each image by its own percentiles: answers in the image's units, however bright it is."""

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import yaml

import zooscope
from zooscope.check import check, parity_limit
from zooscope.data import Dataset, load_dataset
from zooscope.files import predict_files
from zooscope.metrics import measure
from zooscope.model import Model
from zooscope.predict import large, tiling
from zooscope.rows import plan_rows, run_row
from zooscope.sample import Task
from zooscope.store import Results
from zooscope.verify import verify
from zooscope_zoo.packaging.export import Publisher, export
from zooscope_zoo.packaging.measured import validation_data
from zooscope_zoo.packaging.trained import Trained, read_run

WITHOUT_ZOOSCOPE = Path(__file__).parents[2] / "conformance" / "without_zooscope.py"
FORMATS = ("pytorch_state_dict", "torchscript", "onnx")

CARE = (
    *("training.steps=250", "training.validate_every=125", "training.warmup_steps=5", "training.learning_rate=5e-3"),
    *("training.batch=4", "training.patch_px=64", "training.workers=0", "training.normalisation=percentiles"),
    *("network.width=8", "network.depth=1", "network.loss=laplace"),
)


@pytest.fixture(scope="module")
def run(make_run: Callable[..., Path]) -> Path:
    """A small CARE with uncertainty."""
    return make_run("care", *CARE, data="demo-noisy")


@pytest.fixture(scope="module")
def trained(run: Path) -> Trained:
    """What it learned."""
    return read_run(run)


@pytest.fixture(scope="module")
def package(run: Path, packages: Path) -> Path:
    """It as a package."""
    return export(run, packages / "percentiles.zip", publisher=Publisher(authors=("a test",), tags=("nuclei",)))


@pytest.fixture(scope="module")
def model(package: Path) -> Model:
    """The package, loaded."""
    return zooscope.load_model(package, device="cpu")


@pytest.fixture(scope="module")
def noisy() -> Dataset:
    """Ten gray images under noise, with the clean ones."""
    return load_dataset("demo-noisy", split="test")


@pytest.fixture(scope="module")
def image(noisy: Dataset) -> np.ndarray:
    """One of them, 256 x 256 px."""
    return next(sample.image.values for sample in noisy if sample.image.shape == (256, 256))


def directly(trained: Trained, image: np.ndarray) -> np.ndarray:
    """Maps (c, y, x) in the image's units, by the network alone."""
    low, high = np.percentile(image, (3, 99.8))
    scaled = torch.from_numpy(((image - low) / (high - low + 1e-6)).astype(np.float32))
    with torch.inference_mode():
        maps = trained.network()(scaled[None, None])[0].double().numpy()
    return maps * (high - low) + np.array([low, 0.0])[:, None, None]


def nearly(found: np.ndarray, expected: np.ndarray, image: np.ndarray) -> None:
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.ptp(image), rtol=0)


@pytest.mark.parametrize("weights", FORMATS)
def test_each_format_gives_the_networks_answer_in_the_images_units(
    package: Path, trained: Trained, image: np.ndarray, weights: str
):
    model = zooscope.load_model(package, weights=weights, device="cpu", trust=True)
    restored, maps = model.predict(image, return_maps=True)
    expected = directly(trained, image)
    nearly(restored, expected[0], image)
    nearly(maps, expected, image)
    assert maps[1].min() > 0


def test_an_image_in_other_units_is_restored_in_those_units(model: Model, image: np.ndarray):
    restored, maps = model.predict(image, return_maps=True)
    for gain, offset in ((40, 0), (0.01, -3), (7, 5000)):
        other, other_maps = model.predict(gain * image + offset, return_maps=True)
        nearly((other - offset) / gain, restored, image)
        nearly(other_maps[1] / gain, maps[1], image)
    counts = np.clip(np.rint(image * 16), 0, 65535)
    nearly(model.predict(counts.astype(np.uint16)), model.predict(counts.astype(np.float32)), counts)


def test_it_leaves_less_noise_than_there_was(model: Model, noisy: Dataset):
    for sample in noisy:
        before, after = (
            measure(found, sample.target, task=Task.RESTORATION)["psnr.range-gt"]
            for found in (sample.image.values, model.predict(sample.image.values))
        )
        assert after > before + 3


def test_a_constant_image_stays_what_it_is(model: Model):
    np.testing.assert_allclose(model.predict(np.full((70, 90), 50, np.float32)), 50, atol=1e-3)


def test_in_tiles_and_from_disk_it_is_what_the_whole_image_gives(
    model: Model, package: Path, image: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # a bright corner, so that tiles on their own would be scaled quite otherwise
    mosaic = np.tile(image, (2, 3))
    mosaic[-200:, -300:] *= 5
    whole = model.predict(mosaic)
    monkeypatch.setattr(tiling, "MAX_TILE_PX", 128)
    nearly(model.predict(mosaic), whole, mosaic)
    monkeypatch.setattr(large, "LARGE_PX", 1000)
    monkeypatch.setattr(large, "_READ_PX", 150)
    monkeypatch.setattr("zooscope.files.LARGE_PX", 1000)
    monkeypatch.setattr(Model, "maps", lambda *_: pytest.fail("predicted as a whole"))
    nearly(model.predict(mosaic), whole, mosaic)
    tifffile.imwrite(tmp_path / "large.tif", mosaic)
    (done,) = predict_files(package, [tmp_path / "large.tif"], tmp_path / "out", device="cpu")
    assert done.reason == ""
    nearly(tifffile.imread(done.path), whole, mosaic)


def test_each_plane_of_a_stack_comes_back_in_its_own_units(
    model: Model, package: Path, image: np.ndarray, tmp_path: Path
):
    stack = np.stack([image, 10 * image[::-1] + 700])
    tifffile.imwrite(tmp_path / "t.tif", stack, imagej=True, metadata={"axes": "TYX"})
    (done,) = predict_files(package, [tmp_path / "t.tif"], tmp_path / "out", device="cpu")
    found = tifffile.imread(done.path)
    nearly(found[0], model.predict(stack[0]), stack[0])
    nearly(found[1], model.predict(stack[1]), stack[1])
    nearly((found[1] - 700) / 10, model.predict(image[::-1]), image)


def test_its_row_is_of_images_in_their_units_and_can_be_verified(model: Model, package: Path, tmp_path: Path):
    data = load_dataset("demo-noisy")
    (row,) = plan_rows([str(package)], data, device="cpu")
    assert row.contender.params == {"intensities": 1}
    result = run_row(row, Results(tmp_path / "reports"))
    assert result.run.get("reason") is None
    for sample in data.only("test"):
        nearly(result.prediction(sample.id), model.predict(sample.image.values), sample.image.values)
    said = list(verify(result.folder, model=str(package), images=2))
    assert [str(finding) for finding in said if finding.level != "ok"] == []
    assert any(finding.about == "predictions" for finding in said)


def test_its_check_finds_no_error_in_any_format(package: Path):
    said = [str(finding) for finding in check(package, trust=True)]
    assert [line for line in said if line.startswith("error")] == []
    for weights in FORMATS:
        assert any(line.startswith(f"ok: {weights}: passes core's test") for line in said), said
    assert "ok: zooscope: ranks it with the decoder denormalise@1" in said


def test_other_tools_get_normalised_maps_and_the_package_says_so(
    package: Path, trained: Trained, model: Model, tmp_path: Path
):
    with zipfile.ZipFile(package) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    rdf: dict[str, Any] = yaml.safe_load(files["rdf.yaml"])
    (given,), (output,) = rdf["inputs"], rdf["outputs"]
    scaling = given["preprocessing"][1]
    assert scaling["id"] == "scale_range"
    assert scaling["kwargs"] == {"axes": ["y", "x"], "min_percentile": 3.0, "max_percentile": 99.8, "eps": 1e-6}
    assert "postprocessing" not in output
    decoder = {"id": "denormalise", "version": 1, "params": {"intensities": 1}}
    assert rdf["config"]["zooscope"]["decoder"] == decoder
    readme = files["README.md"].decode()
    assert "Outputs are normalised; tools without zooscope's decoder show them so." in readme
    assert "percentiles 3 and 99.8 of each channel of the whole image become 0 and 1" in readme

    raw, expected = (np.load(io.BytesIO(files[f"test_{name}.npy"])) for name in ("input", "output"))
    command = [sys.executable, str(WITHOUT_ZOOSCOPE), str(package), "out.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = np.load(tmp_path / "out.npz")
    for weights in FORMATS:
        np.testing.assert_allclose(theirs[weights], expected, atol=parity_limit(expected), rtol=0)
    low, high = np.percentile(raw[0, 0], (3, 99.8))
    restored, maps = model.predict(raw[0, 0], return_maps=True)
    nearly(restored, expected[0, 0] * (high - low) + low, raw)
    nearly(maps[1], expected[0, 1] * (high - low), raw)

    module: dict[str, Any] = {}
    exec(files["decoder.py"], module)
    alone, _ = module["decode"](expected[0], raw.shape[2:], low=[low], high=[high + 1e-6], intensities=1)
    nearly(alone, restored, raw)


def test_its_validation_figures_are_those_of_images_in_their_units(package: Path, trained: Trained, model: Model):
    with zipfile.ZipFile(package) as archive:
        told = yaml.safe_load(archive.read("rdf.yaml"))["config"]["zooscope"]["validation"]
    ((data, ids),) = validation_data(trained)
    records = [
        measure(model.predict(data[id].image.values), data[id].target, task=Task.RESTORATION)["psnr.range-gt"]
        for id in ids
    ]
    assert told["scores"]["psnr.range-gt@1"] == pytest.approx(np.mean(records), abs=1e-3)
