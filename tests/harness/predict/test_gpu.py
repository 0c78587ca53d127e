"""What only a GPU can show."""

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
