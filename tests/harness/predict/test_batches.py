"""Tiles of one image and of several in batches, as a GPU is given them; here on the CPU, equal to one by one."""

import queue
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import zooscope
from zooscope.data import Dataset
from zooscope.errors import PackageError
from zooscope.model import Model
from zooscope.predict import tiling
from zooscope.predict.shrink import Shrinking
from zooscope.predict.worker import _of_one_shape

MakePackage = Callable[..., Path]


@pytest.fixture
def images(demo: Dataset) -> list[xr.DataArray]:
    """Five images of one shape."""
    return [s.image for s in demo if s.image.shape == (256, 256)][:5]


def in_batches(model: Model, most: int, *, tensors: bool = False) -> list[tuple[int, ...]]:
    """Let a model do as on a GPU; the shapes that its network is given from now on."""
    seen: list[tuple[int, ...]] = []
    network = model._network
    model._network = lambda batch: (seen.append(tuple(batch.shape)), network(batch))[1]
    model._tiles = Shrinking(batch=most)
    model._on = "cpu" if tensors else None
    return seen


@pytest.mark.parametrize("tensors", [False, True], ids=["arrays", "tensors"])
@pytest.mark.parametrize("weights", ["torchscript", "onnx"])
@pytest.mark.parametrize("name", ["nuclei-tiny", "unet2d-nuclei-broad-v0.5"])
def test_images_in_batches_give_the_maps_of_each_alone(
    name: str, weights: str, tensors: bool, images: list[xr.DataArray], mirror: Path
) -> None:
    path = name if name == "nuclei-tiny" else mirror / "packages" / f"{name}.zip"
    model = zooscope.load_model(path, weights=weights, device="cpu")
    one_by_one = [model.maps(image) for image in images[:3]]
    seen = in_batches(model, 2, tensors=tensors)
    for together, alone in zip(model.maps_together(images[:3]), one_by_one, strict=True):
        assert isinstance(together, np.ndarray)
        assert together.dtype == np.float32
        np.testing.assert_allclose(together, alone, atol=2e-5)
    # the foreign ONNX graph takes one image at a time, and says so when it is given two
    single = name != "nuclei-tiny" and weights == "onnx"
    assert [shape[0] for shape in seen] == ([2, 1, 1, 1] if single else [2, 1])
    assert len({shape[1:] for shape in seen}) == 1


@pytest.mark.parametrize("tensors", [False, True], ids=["arrays", "tensors"])
def test_tiles_of_several_images_share_batches(
    tensors: bool, images: list[xr.DataArray], make_package: MakePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = zooscope.load_model(make_package("convs", halo_px=16), device="cpu")
    monkeypatch.setattr(tiling, "MAX_TILE_PX", 128)
    odd = [image[:250, :201] for image in images[:2]]
    one_by_one = [model.maps(image) for image in odd]
    seen = in_batches(model, 5, tensors=tensors)
    for together, alone in zip(model.maps_together(odd), one_by_one, strict=True):
        np.testing.assert_allclose(together, alone, atol=2e-6)
    assert len({shape[1:] for shape in seen}) == 1
    assert {shape[0] for shape in seen[:-1]} == {5}


def test_a_batch_has_no_more_pixels_than_allowed(
    images: list[xr.DataArray], make_package: MakePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = zooscope.load_model(make_package("convs"), device="cpu")
    monkeypatch.setattr(tiling, "BATCH_PX", 3 * 256 * 256)
    seen = in_batches(model, 16)
    model.maps_together(images)
    assert [shape[0] for shape in seen] == [3, 2]


def test_memory_that_runs_out_halves_the_batch_before_the_tile(
    images: list[xr.DataArray], make_package: MakePackage
) -> None:
    model = zooscope.load_model(make_package("convs"), device="cpu")
    one_by_one = [model.maps(image) for image in images]
    network = model._network

    def hungry(batch: np.ndarray) -> np.ndarray:
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB")
        return network(batch)

    model._network = hungry
    seen = in_batches(model, 4)
    for together, alone in zip(model.maps_together(images), one_by_one, strict=True):
        np.testing.assert_array_equal(together, alone)
    assert [shape[0] for shape in seen] == [4, 2, 1, 1, 1, 1, 1]
    assert (model.together, model.tile_px) == (1, None)


def test_a_network_that_takes_no_batch_is_given_one_tile_at_a_time(
    images: list[xr.DataArray], make_package: MakePackage
) -> None:
    model = zooscope.load_model(make_package("convs"), device="cpu")
    one_by_one = [model.maps(image) for image in images]
    network = model._network

    def single(batch: np.ndarray) -> np.ndarray:
        if len(batch) > 1:
            raise RuntimeError("shape '[1, 8, 256, 256]' is invalid for input of size 1048576")
        return network(batch)

    model._network = single
    in_batches(model, 4)
    for together, alone in zip(model.maps_together(images), one_by_one, strict=True):
        np.testing.assert_array_equal(together, alone)
    assert model.together == 1
    model._network = lambda batch: network(batch)[:0]
    with pytest.raises(PackageError, match="its answer has shape"):
        model.maps_together(images)


def test_a_worker_takes_what_lies_there_of_one_shape_together() -> None:
    waiting: queue.Queue[xr.DataArray | None] = queue.Queue()
    for n in (4, 4, 4, 4, 5, 4):
        waiting.put(xr.DataArray(np.zeros((n, n)), dims=("y", "x")))
    waiting.put(None)
    groups = [[image.shape[0] for image in group] for group in _of_one_shape(waiting, lambda: 3)]
    assert groups == [[4, 4, 4], [4], [5], [4]]
