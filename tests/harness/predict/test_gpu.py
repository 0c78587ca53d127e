"""What only a GPU can show."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import zooscope
from zooscope.bundled import bundled
from zooscope.data import Dataset
from zooscope.predict.process import ModelProcess

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]

ONNX_WITH_CUDA = pytest.param(
    "onnx",
    marks=pytest.mark.skipif(
        "CUDAExecutionProvider" not in onnxruntime.get_available_providers(),
        reason="this build of ONNX Runtime has no CUDA",
    ),
)


@pytest.mark.parametrize("weights", ["torchscript", ONNX_WITH_CUDA])
def test_maps_on_the_gpu_equal_those_on_the_cpu(demo: Dataset, weights: str) -> None:
    cpu, gpu = (zooscope.load_model("nuclei-tiny", weights=weights, device=device) for device in ("cpu", "cuda"))
    for sample in demo:
        np.testing.assert_allclose(gpu.maps(sample.image), cpu.maps(sample.image), atol=2e-3)


@pytest.mark.parametrize("weights", ["torchscript", ONNX_WITH_CUDA])
def test_images_together_on_the_gpu_equal_each_alone(demo: Dataset, weights: str) -> None:
    images = [s.image for s in demo if s.image.shape == (256, 256)]
    model = zooscope.load_model("nuclei-tiny", weights=weights, device="cuda")
    assert model.together > 1
    for together, image in zip(model.maps_together(images), images, strict=True):
        np.testing.assert_allclose(together, model.maps(image), atol=2e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_on_the_gpu_answers_nearly_alike(demo: Dataset, precision: str) -> None:
    half = zooscope.load_model("nuclei-tiny", device="cuda", precision=precision)
    full = zooscope.load_model("nuclei-tiny", device="cuda")
    image = demo[demo.ids[0]].image
    assert np.abs(half.maps(image) - full.maps(image)).mean() < 5e-3


def test_a_worker_on_the_gpu_gives_what_the_model_gives(demo: Dataset) -> None:
    path = bundled("weights") / "nuclei-tiny.zip"
    model = zooscope.load_model("nuclei-tiny", device="cuda")
    options = {"weights": "torchscript", "device": "cuda:0", "time_limit_s": 120}
    with ModelProcess(path, **options) as process:
        for sample, (maps, _) in zip(demo, process.maps_of([s.image for s in demo]), strict=True):
            np.testing.assert_allclose(maps, model.maps(sample.image), atol=2e-3)


def test_memory_of_the_gpu_that_runs_out_halves_the_tile(make_package: Callable[..., Path], demo: Dataset) -> None:
    model = zooscope.load_model(make_package("convs", halo_px=16), device="cuda")
    image = next(s for s in demo if s.axes == "yx").image
    whole, network = model.maps(image), model._network

    def hungry(batch: torch.Tensor) -> torch.Tensor:
        if batch.numel() > 128 * 128:
            torch.empty(2**44, device="cuda")
        return network(batch)

    model._network = hungry
    np.testing.assert_allclose(model.maps(image), whole, atol=2e-3)
    assert model.tile_px == 128
