"""The models that travel with zooscope: they work, and they are packages that others can use."""

import filecmp
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import load_file
from skimage.data import camera

import zooscope
from zooscope import plugins
from zooscope.bundled import bundled
from zooscope.check import parity_limit
from zooscope.data import Dataset
from zooscope.data.card import find_card
from zooscope.data.degrade import degrade
from zooscope.metrics import measure
from zooscope.package import open_package
from zooscope.predict import tiling
from zooscope.sample import Task
from zooscope.sources import shipped_models
from zooscope_zoo.packaging.example import example
from zooscope_zoo.packaging.export import export
from zooscope_zoo.packaging.trained import read_run
from zooscope_zoo.shipped import NUCLEI_TINY

NUCLEI, RESTORERS = (list(shipped_models(task)) for task in (Task.INSTANCE_SEGMENTATION, Task.RESTORATION))

FIELD_BEYOND_HALO = ("embedseg-dsb2018",)
"""1245 px, of dilated convolutions, beside a halo of 128 px: objects must be the same in tiles, maps need not."""


def test_every_shipped_model_is_a_package_that_is_there():
    assert "nuclei-tiny" in plugins.names("models")
    for name in plugins.names("models"):
        package = open_package(plugins.load("models", name)())
        assert package.decoder is not None, "its author tuned it"
        assert package.training_data
        assert list(package.weights)[:2] == ["torchscript", "onnx"], "those that run without trust come first"


@pytest.mark.parametrize("name", [name for name in NUCLEI if name != "nuclei-tiny"])
def test_a_model_for_fluorescence_finds_its_nuclei_after_the_install_without_network_or_data(
    name: str, demo: Dataset, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("ZOOSCOPE_MIRROR", raising=False)
    model = zooscope.load_model(name, device="cpu")
    found = true = 0.0
    for sample in [s for s in demo.only("test") if s.stratum.startswith("fluorescence")]:
        labels = model.predict(sample.image.values, sample.axes)
        assert (labels.dtype, labels.shape) == (np.int32, sample.target.shape)
        record = measure(labels, sample.target)
        found, true = found + record["tp50"], true + record["true"]
    assert found > 0.85 * true


def worsened(name: str, demo: Dataset) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """An image as a model's training images were worsened, and without: a photograph, or nuclei as its card says."""
    (data,) = read_run(name).names
    if data.startswith("bsd68"):
        clean = camera()[128:384, 128:384].astype(np.float32)
        return clean + np.random.default_rng(0).normal(0, 25, clean.shape).astype(np.float32), clean
    nuclei = next(sample for sample in demo.only("test") if sample.axes == "yx")
    worst = next(degrade(replace(nuclei, target=nuclei.image.values), find_card(data)[0]))
    return worst.image.values, worst.target


@pytest.mark.parametrize("name", [name for name in RESTORERS if not name.endswith("-fmd")])
def test_a_model_that_restores_brings_a_noisy_image_nearer_to_the_clean_one(
    name: str, demo: Dataset, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("ZOOSCOPE_MIRROR", raising=False)
    noisy, clean = worsened(name, demo)
    restored = zooscope.load_model(name, device="cpu").predict(noisy)
    assert (restored.dtype, restored.shape) == (np.float32, noisy.shape)
    before, after = (np.mean((image - clean) ** 2) for image in (noisy, restored))
    assert after < 0.25 * before


@pytest.mark.parametrize("name", RESTORERS)
def test_a_large_image_is_restored_in_tiles_as_it_is_whole(name: str, monkeypatch: pytest.MonkeyPatch):
    noisy = np.pad(example(read_run(name)).image.values, 128, "reflect")
    model = zooscope.load_model(name, device="cpu")
    whole = model.predict(noisy)
    monkeypatch.setattr(tiling, "MAX_TILE_PX", 320)
    np.testing.assert_allclose(model.predict(noisy), whole, atol=1e-4 * np.ptp(whole), rtol=0)


@pytest.mark.parametrize("name", NUCLEI)
def test_a_large_image_is_answered_in_tiles_as_it_is_whole(name: str, demo: Dataset, monkeypatch: pytest.MonkeyPatch):
    model = zooscope.load_model(name, device="cpu")
    sample = next(s for s in demo if s.stratum.startswith("fluorescence") and s.axes == "yx")
    image = np.pad(sample.image.values, [(0, 512 - edge) for edge in sample.image.shape], "reflect")
    labels, maps = model.predict(image, return_maps=True)
    monkeypatch.setattr(tiling, "MAX_TILE_PX", 320)
    in_tiles, tiled_maps = model.predict(image, return_maps=True)
    if name not in FIELD_BEYOND_HALO:
        np.testing.assert_allclose(tiled_maps, maps, atol=parity_limit(maps), rtol=0)
    record = measure(in_tiles, labels)
    assert record["true"] > 30
    assert record["true"] == record["predicted"] == record["tp90"]


@pytest.mark.parametrize("name", [name for name in plugins.names("models") if name != "nuclei-tiny"])
def test_shipped_weights_are_half_precision_and_under_5_mb(name: str):
    (file,) = (bundled("weights") / name).glob("*.safetensors")
    assert file.stat().st_size < 5_000_000
    assert {value.dtype for value in load_file(file).values() if value.is_floating_point()} == {torch.float16}


def test_a_package_is_built_once_and_is_what_export_writes_for_the_id(tmp_path: Path):
    first, again = plugins.load("models", "stardist-dsb2018")(), plugins.load("models", "stardist-dsb2018")()
    assert first == again
    assert filecmp.cmp(export("stardist-dsb2018", tmp_path / "own.zip"), first, shallow=False)


def test_nuclei_tiny_segments_an_array(demo: Dataset):
    model = zooscope.load_model("nuclei-tiny", device="cpu")
    found = true = 0.0
    for sample in [s for s in demo.only("test") if s.target.shape == (256, 256)][:3]:
        labels = model.predict(sample.image.values, sample.axes)
        assert (labels.dtype, labels.shape) == (np.int32, sample.target.shape)
        record = measure(labels, sample.target)
        found, true = found + record["tp50"], true + record["true"]
    assert found > 0.7 * true


CORE_TEST = """
import json, sys
from pathlib import Path
from bioimageio.core import test_description
from bioimageio.spec import ValidationContext

found = {}
for weights in ("torchscript", "onnx"):
    with ValidationContext(perform_io_checks=False):
        summary = test_description(Path(sys.argv[1]), weight_format=weights, determinism="full", devices=["cpu"])
    details = [(detail.name, detail.status, [error.msg for error in detail.errors]) for detail in summary.details]
    found[weights] = {"status": summary.status, "details": details}
print("RESULT" + json.dumps(found))
"""


def test_nuclei_tiny_passes_bioimageios_own_test():
    done = subprocess.run(
        [sys.executable, "-c", CORE_TEST, str(NUCLEI_TINY())], capture_output=True, text=True, timeout=200
    )
    assert "RESULT" in done.stdout, done.stderr
    found = json.loads(done.stdout.partition("RESULT")[2])
    for weights in ("torchscript", "onnx"):
        assert found[weights]["status"] == "passed", found[weights]["details"]
        assert any("reproduce" in name.lower() for name, _, _ in found[weights]["details"]), found[weights]["details"]


def test_nuclei_tiny_is_written_in_the_format_that_older_consumers_take():
    with zipfile.ZipFile(NUCLEI_TINY()) as archive:
        rdf = yaml.safe_load(archive.read("rdf.yaml"))
        names = set(archive.namelist())
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert rdf["format_version"] == "0.5.10"
    assert rdf["covers"] == ["cover.png"]
    assert rdf["documentation"] == "README.md"
    assert {"cover.png", "README.md", "weights.pt", "weights.onnx"} <= names
    assert Path(NUCLEI_TINY()).stat().st_size < 5_000_000


@pytest.mark.parametrize("weights", ["torchscript", "onnx"])
def test_nuclei_tiny_gives_its_own_test_output(weights: str):
    import io

    model = zooscope.load_model(NUCLEI_TINY(), weights=weights, device="cpu")
    with zipfile.ZipFile(NUCLEI_TINY()) as archive:
        given, expected = (np.load(io.BytesIO(archive.read(f"test_{end}.npy"))) for end in ("input", "output"))
    _, maps = model.predict(given[0, 0], return_maps=True)
    np.testing.assert_allclose(maps, expected[0], atol=1e-4)
