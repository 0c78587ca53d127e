"""A network that fails: whose fault it is, and smaller tiles where memory ran out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from zooscope.data import Dataset
from zooscope.errors import PackageError, WorkerError
from zooscope.model import Model, load_model
from zooscope.predict.failures import DeviceMemoryError, network_failure
from zooscope.predict.shrink import Shrinking
from zooscope.predict.tiling import AxisSize

CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.92 GiB"
SCRIPT = f"The following operation failed in the TorchScript interpreter.\nTraceback ...\nRuntimeError: {CUDA}"
CPU = "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
ONNX = "Available memory of 1024 is smaller than requested bytes of 2048"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError(CUDA), DeviceMemoryError),
        (RuntimeError(SCRIPT), DeviceMemoryError),
        (RuntimeError(CPU), DeviceMemoryError),
        (Exception(ONNX), DeviceMemoryError),
        (MemoryError(), DeviceMemoryError),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), WorkerError),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), WorkerError),
        (Exception("CUDA failure 700: an illegal memory access was encountered ; GPU=0"), WorkerError),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), PackageError),
        (ZeroDivisionError(), PackageError),
    ],
)
def test_memory_and_lost_devices_are_not_the_packages_fault(error: Exception, kind: type[Exception]):
    found = network_failure(error, (1, 1, 64, 64))
    assert type(found) is kind
    assert "on a tile (1, 1, 64, 64)" in str(found)
    assert "\n" not in str(found)


def test_real_allocators_are_understood():
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**60)
    assert isinstance(network_failure(error.value, (1,)), DeviceMemoryError)
    with pytest.raises(MemoryError) as numpys:
        np.empty(2**55)
    assert isinstance(network_failure(numpys.value, (1,)), DeviceMemoryError)


class Small:
    """A network on a device whose memory holds tiles of so many pixels."""

    def __init__(self, model: Model, pixels: int, error: Exception) -> None:
        self._network, self._pixels, self._error = model._network, pixels, error
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.seen.append(batch.shape[-2:])
        if batch.size > self._pixels:
            raise self._error
        return self._network(batch)


def test_memory_that_runs_out_halves_the_tile_and_the_answer_stays(make_package: Callable[..., Path], demo: Dataset):
    model = load_model(make_package("convs", halo_px=16), device="cpu")
    image = next(s for s in demo if s.axes == "yx").image
    whole = model.maps(image)
    assert model.tile_px is None
    model._network = small = Small(model, 128 * 128, torch.OutOfMemoryError(CUDA))
    np.testing.assert_allclose(model.maps(image), whole, atol=1e-5)
    assert model.tile_px == 128
    assert small.seen[0] == image.shape == (256, 256)
    assert set(small.seen[1:]) == {(128, 128)}
    failed = len(small.seen)
    model.maps(image)
    assert (256, 256) not in small.seen[failed:], "the next image begins with the tile that fitted"


def test_where_no_smaller_tile_helps_the_row_fails_for_memory(make_package: Callable[..., Path], demo: Dataset):
    model = load_model(make_package("convs", halo_px=16), device="cpu")
    model._network = small = Small(model, 10, torch.OutOfMemoryError(CUDA))
    with pytest.raises(DeviceMemoryError, match=r"memory ran out on a tile .* CUDA out of memory"):
        model.maps(next(s for s in demo if s.axes == "yx").image)
    assert small.seen == [(256, 256), (128, 128), (64, 64)]


def test_a_fixed_size_cannot_be_halved(make_package: Callable[..., Path]):
    model = load_model(make_package("convs", sizes=64), device="cpu")
    model._network = small = Small(model, 10, torch.OutOfMemoryError(CUDA))
    with pytest.raises(DeviceMemoryError):
        model.maps(xr.DataArray(np.eye(64, dtype=np.float32), dims=("y", "x")))
    assert len(small.seen) == 1


def test_a_lost_device_is_never_tried_again(make_package: Callable[..., Path], demo: Dataset):
    model = load_model(make_package("convs", halo_px=16), device="cpu")
    model._network = small = Small(model, 10, RuntimeError("CUDA error: the launch timed out and was terminated"))
    with pytest.raises(WorkerError, match=r"its device was lost on a tile .* the launch timed out"):
        model.maps(next(s for s in demo if s.axes == "yx").image)
    assert len(small.seen) == 1


@pytest.mark.parametrize(
    ("shape", "sizes", "halo", "expected"),
    [
        ((1000, 300), (AxisSize(64, 16), AxisSize(64, 16)), (16, 16), 504),
        ((3000, 3000), (AxisSize(64, 16), AxisSize(64, 16)), (16, 16), 512),
        ((128, 128), (AxisSize(64, 16), AxisSize(64, 16)), (16, 16), 64),
        ((128, 128), (AxisSize(64, 16), AxisSize(64, 16)), (32, 32), None),
        ((64, 64), (AxisSize(64, 16), AxisSize(64, 16)), (0, 0), None),
        ((512, 100), (AxisSize(512), AxisSize(32, 32)), (0, 0), None),
    ],
)
def test_how_far_a_tile_shrinks(
    shape: tuple[int, int], sizes: tuple[AxisSize, AxisSize], halo: tuple[int, int], expected: int | None
):
    assert Shrinking()._smaller(shape, sizes, halo) == expected
