"""What only a GPU can show."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import zooscope
from zooscope.data import Dataset

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]


@pytest.mark.parametrize("weights", ["torchscript", "onnx"])
def test_maps_on_the_gpu_equal_those_on_the_cpu(demo: Dataset, weights: str) -> None:
    cpu, gpu = (zooscope.load_model("nuclei-tiny", weights=weights, device=device) for device in ("cpu", "cuda"))
    for sample in demo:
        np.testing.assert_allclose(gpu.maps(sample.image), cpu.maps(sample.image), atol=2e-3)


def test_memory_of_the_gpu_that_runs_out_halves_the_tile(make_package: Callable[..., Path], demo: Dataset) -> None:
    model = zooscope.load_model(make_package("convs", halo_px=16), device="cuda")
    image = next(s for s in demo if s.axes == "yx").image
    whole, network = model.maps(image), model._network

    def hungry(batch: np.ndarray) -> np.ndarray:
        if batch.size > 128 * 128:
            torch.empty(2**44, device="cuda")
        return network(batch)

    model._network = hungry
    np.testing.assert_allclose(model.maps(image), whole, atol=2e-3)
    assert model.tile_px == 128
