"""`predict` with a package that restores: float32 images with the stack's axes and pixel size, also in parts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

import zooscope
from zooscope.data import load_dataset
from zooscope.files import predict_files
from zooscope.predict import large


@pytest.fixture
def package(make_package: Callable[..., Path]) -> Path:
    """Averages over 3x3 px; its tags say that it restores."""
    halo = {"sizes": {"min": 64, "step": 8}, "halo_px": 8}
    return make_package("smooth", preprocessing=[], tags=["denoising"], **halo)


def smoothed(image: np.ndarray) -> np.ndarray:
    tensor = torch.from_numpy(image.astype(np.float32))[None, None]
    return torch.nn.functional.avg_pool2d(tensor, 3, stride=1, padding=1, count_include_pad=False)[0, 0].numpy()


def noisy() -> np.ndarray:
    return next(iter(load_dataset("demo-noisy"))).image.values


def test_an_image_comes_back_as_float32_with_its_pixel_size(package: Path, tmp_path: Path):
    resolution = {"resolution": (4, 4), "metadata": {"unit": "um", "axes": "YX"}}
    tifffile.imwrite(tmp_path / "a.tif", noisy(), imagej=True, **resolution)
    (done,) = predict_files(package, [tmp_path / "a.tif"], tmp_path / "out", device="cpu")
    assert (done.reason, done.objects) == ("", None)
    with tifffile.TiffFile(done.path) as file:
        assert file.is_imagej
        assert file.pages[0].tags["XResolution"].value == (4, 1)
        found = file.asarray()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, smoothed(noisy()), rtol=1e-5, atol=1e-4)


def test_a_stack_keeps_its_axes(package: Path, tmp_path: Path):
    stack = np.stack([noisy(), noisy()[::-1]])
    tifffile.imwrite(tmp_path / "t.tif", stack, imagej=True, metadata={"axes": "TYX"})
    (done,) = predict_files(package, [tmp_path / "t.tif"], tmp_path / "out", device="cpu")
    with tifffile.TiffFile(done.path) as file:
        assert file.series[0].axes == "TYX"
        np.testing.assert_allclose(file.asarray()[1], smoothed(stack[1]), rtol=1e-5, atol=1e-4)


def test_an_image_too_large_for_memory_is_the_same_in_parts(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    image = np.tile(noisy(), (2, 2))
    tifffile.imwrite(tmp_path / "big.tif", image)
    monkeypatch.setattr(large, "LARGE_PX", 1000)
    monkeypatch.setattr("zooscope.files.LARGE_PX", 1000)
    monkeypatch.setattr("zooscope.predict.tiling.MAX_TILE_PX", 128)
    (done,) = predict_files(package, [tmp_path / "big.tif"], tmp_path / "out", device="cpu")
    assert done.reason == ""
    np.testing.assert_allclose(tifffile.imread(done.path), smoothed(image), rtol=1e-5, atol=1e-4)
    found = zooscope.load_model(package, device="cpu").predict(image)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, smoothed(image), rtol=1e-5, atol=1e-4)


def test_what_finds_objects_restores_nothing_and_the_reverse_can_be_asked_for(
    make_package: Callable[..., Path], tmp_path: Path
):
    tifffile.imwrite(tmp_path / "a.tif", noisy())
    untold = make_package("smooth", preprocessing=[])
    (labels,) = predict_files(untold, [tmp_path / "a.tif"], tmp_path / "labels", device="cpu")
    (image,) = predict_files(untold, [tmp_path / "a.tif"], tmp_path / "image", device="cpu", decoder="image")
    assert labels.objects is not None
    assert image.objects is None
    assert tifffile.imread(image.path).dtype == np.float32
