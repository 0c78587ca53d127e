"""CARE of volumes: learned from stacks in a folder, packaged, and run on whole stacks."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import yaml
from numpy.typing import NDArray
from scipy import ndimage

from zooscope import load_model
from zooscope.check import check
from zooscope.data import load_dataset
from zooscope.errors import DataError, UsageError
from zooscope.files import predict_files
from zooscope.metrics import measure
from zooscope.package_files import PackageFiles
from zooscope.predict import tiling
from zooscope.rows import plan_rows
from zooscope.sample import Task
from zooscope_zoo.care.method import METHOD, CAREConfig
from zooscope_zoo.packaging.architecture import architecture
from zooscope_zoo.packaging.export import Publisher, export
from zooscope_zoo.packaging.trained import read_run
from zooscope_zoo.train import train

QUICK = (
    *("network.dimensions=3", "network.width=8", "network.depth=1", "training.steps=150", "training.batch=2"),
    *("training.patch_px=48", "training.patch_planes=8", "training.warmup_steps=5", "training.learning_rate=5e-3"),
    *("training.validate_every=75", "training.workers=0"),
)


def psnr(found: NDArray[np.generic], truth: NDArray[np.generic]) -> float:
    return measure(found, truth, task=Task.RESTORATION)["psnr.range-gt"]


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nuclei (z, y, x) that come into focus and leave it again, with little light and with enough."""
    folder = tmp_path_factory.mktemp("stacks") / "stacks"
    (folder / "images").mkdir(parents=True)
    (folder / "clean").mkdir()
    rng = np.random.default_rng(0)
    gray = [s for s in load_dataset("demo") if s.axes == "yx" and min(s.image.shape) >= 128][:4]
    for sample in gray:
        image = sample.image.values[:128, :128].astype(np.float32)
        away = np.abs(np.arange(14) - 7) / 3
        clean = np.stack([ndimage.gaussian_filter(image, z) / (1 + z) for z in away])
        light = 20 / clean.max()
        noisy = rng.poisson(clean * light + 0.5) / light
        for name, volume in (("images", noisy), ("clean", clean)):
            path = folder / name / f"{sample.id}.tif"
            tifffile.imwrite(path, volume.astype(np.float32), imagej=True, metadata={"axes": "ZYX"})
    return folder


@pytest.fixture(scope="module")
def run(stacks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training on them."""
    folder = tmp_path_factory.mktemp("runs") / "care"
    train("care", [stacks], folder, changes=QUICK, progress=False, say=lambda line: None)
    return folder


@pytest.fixture(scope="module")
def package(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That training's package."""
    return export(run, tmp_path_factory.mktemp("packages") / "care.zip", publisher=Publisher(authors=("a test",)))


def test_a_stack_in_tiles_is_restored_as_it_is_whole_and_nearer_to_the_clean_one(
    package: Path, stacks: Path, monkeypatch: pytest.MonkeyPatch
):
    data, model = load_dataset(stacks), load_model(package, device="cpu")
    sample = next(iter(data))
    assert sample.axes == "zyx"
    whole = model.predict(sample.image.values, "zyx")
    assert (whole.shape, whole.dtype) == (sample.target.shape, np.float32)
    assert psnr(whole, sample.target) > psnr(sample.image.values, sample.target) + 3
    tall = np.concatenate([sample.image.values] * 4)
    expected = model.predict(tall, "zyx")
    tiles: list[tuple[int, ...]] = []
    network = model._network
    monkeypatch.setattr(model, "_network", lambda batch: tiles.append(batch.shape) or network(batch))
    monkeypatch.setattr(tiling, "MAX_VOLUME_TILE_PX", (32, 96, 96))
    in_tiles = model.predict(tall, "zyx")
    assert len(tiles) > 8
    assert np.abs(in_tiles - expected).max() <= 1e-4 * np.ptp(expected)


def test_its_package_passes_its_check_in_three_formats_and_says_that_it_takes_volumes(package: Path):
    found = list(check(package, trust=True))
    passed = [item.text for item in found if item.level == "ok" and "passes core's test" in item.text]
    assert len(passed) == 3, found
    files = PackageFiles(package)
    rdf, card = yaml.safe_load(files.read("rdf.yaml")), files.read("README.md").decode()
    assert [axis.get("id") for axis in rdf["inputs"][0]["axes"]][2:] == ["z", "y", "x"]
    assert {"3d", "unet3d"} <= set(rdf["tags"])
    assert "Volumes, gray" in card
    assert "patches of 8 planes of 48 px" in card


def test_files_are_restored_as_stacks_of_their_size(package: Path, stacks: Path, tmp_path: Path):
    source = sorted((stacks / "images").iterdir())[0]
    (done,) = predict_files(package, [source], tmp_path / "out", device="cpu")
    assert done.reason == ""
    with tifffile.TiffFile(tmp_path / "out" / source.name) as file:
        assert file.series[0].axes == "ZYX"
        assert file.series[0].shape == tifffile.imread(source).shape


def test_with_test_time_augmentation_a_mirrored_stack_is_restored_to_the_mirrored_one(run: Path):
    trained = read_run(run)
    network = architecture(trained, tta=True).build()
    network.load_state_dict(trained.weights)
    volume = torch.rand((1, 1, 4, 16, 24), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(volume)
        for axes in ((-1,), (-2,)):
            torch.testing.assert_close(network(volume.flip(axes)).flip(axes), expected)
        assert not torch.allclose(trained.network()(volume), expected)


def test_it_has_as_many_parameters_as_the_published_network_of_volumes():
    description = METHOD.describe(CAREConfig(dimensions=3))
    assert description.parameters == pytest.approx(1.0e6, rel=0.02)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("network.dimensions=2", "is a volume of shape .* learn from volumes with network.dimensions=3"),
        ("network.channels=3", "has one channel"),
        ("training.patch_planes=7", "training.patch_planes=7 is not a multiple of 2"),
    ],
)
def test_what_does_not_go_together_is_refused_before_training(stacks: Path, tmp_path: Path, change: str, said: str):
    with pytest.raises((DataError, UsageError), match=said):
        train("care", [stacks], tmp_path / "run", changes=[*QUICK, change], progress=False, say=lambda line: None)
    assert not (tmp_path / "run").exists()


def test_images_are_no_volumes_and_stacks_of_times_are_refused(stacks: Path, tmp_path: Path):
    with pytest.raises(DataError, match=r"is a 2D image; network.dimensions=3 learns from volumes"):
        train("care", ["demo-noisy"], tmp_path / "run", changes=QUICK, progress=False, say=lambda line: None)
    for name in ("images", "clean"):
        (tmp_path / "times" / name).mkdir(parents=True)
        movie = np.zeros((4, 32, 32), np.uint8)
        tifffile.imwrite(tmp_path / "times" / name / "a.tif", movie, imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(DataError, match="axes TYX; one 2D image, gray or RGB, or one gray volume, is expected"):
        load_dataset(tmp_path / "times")


def test_volumes_are_not_ranked(stacks: Path):
    with pytest.raises(UsageError, match="its images are volumes, and rankings are of 2D images"):
        plan_rows(["baseline:noisy@1"], load_dataset(stacks))
