"""The runtimes of weights: TorchScript and ONNX give the same, and say in a line what they cannot load or run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zooscope.bundled import bundled
from zooscope.data import Dataset
from zooscope.errors import PackageError, UsageError
from zooscope.model import load_model
from zooscope.package import open_package
from zooscope.predict.backends import BACKENDS, onnx_network, torchscript_network
from zooscope.predict.device import device_class, resolve_device

BATCH = np.random.default_rng(0).random((1, 1, 64, 72)).astype(np.float32)
EXPECTED = 1 / (1 + np.exp(-20 * (BATCH - 0.3)))


def test_torchscript_and_onnx_compute_what_the_formula_says(torchscript: Callable[..., bytes], onnx_sigmoid: bytes):
    for network in (
        torchscript_network(torchscript("sigmoid"), device="cpu"),
        onnx_network(onnx_sigmoid, device="cpu"),
    ):
        out = network(BATCH)
        assert out.dtype == np.float32
        np.testing.assert_allclose(out, EXPECTED, atol=1e-5)


def test_the_shipped_package_gives_the_same_in_both(demo: Dataset):
    package = bundled("weights") / "nuclei-tiny.zip"
    models = [load_model(package, weights=weights, device="cpu") for weights in BACKENDS]
    for sample in [next(s for s in demo if s.axes == axes) for axes in ("yx", "yxc")]:
        torchscript, onnx = (model.maps(sample.image) for model in models)
        np.testing.assert_allclose(torchscript, onnx, atol=1e-4)


@pytest.mark.parametrize("weights", sorted(BACKENDS))
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\3\4"])
def test_weights_that_cannot_be_loaded_are_a_one_line_reason(weights: str, content: bytes):
    with pytest.raises(PackageError, match="weights cannot be loaded") as error:
        BACKENDS[weights](content, device="cpu")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_a_network_that_fails_says_its_error_in_one_line(make_package: Callable[..., Path], demo: Dataset):
    model = load_model(make_package("raises"), device="cpu")
    with pytest.raises(PackageError, match=r"its network failed on a tile .*the network is out of order") as error:
        model.maps(demo[demo.ids[0]].image)
    assert "\n" not in str(error.value)


def test_a_network_with_two_outputs_is_refused(tmp_path: Path):
    import io
    import warnings

    import torch

    traced = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(lambda x: (x, x), torch.zeros(1)), traced)
    with pytest.raises(PackageError, match="its network answers with tuple; one tensor is expected"):
        torchscript_network(traced.getvalue(), device="cpu")(BATCH)


def test_onnx_never_falls_back_to_the_cpu_in_silence(onnx_sigmoid: bytes):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(PackageError, match=r"CUDAExecutionProvider|cannot be loaded"):
        onnx_network(onnx_sigmoid, device="cuda:0")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "mps", "", "CPU", "cuda0"])
def test_a_device_that_does_not_exist_is_named(name: str):
    with pytest.raises(UsageError, match=rf"device '{name}'"):
        resolve_device(name)


def test_devices_by_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    found = {name: resolve_device(name) for name in ("auto", "cpu", "cuda", "cuda:1")}
    assert found == {"auto": "cuda:0", "cpu": "cpu", "cuda": "cuda:0", "cuda:1": "cuda:1"}
    with pytest.raises(UsageError, match="device 'cuda:2': this machine has 2 CUDA devices; use cpu or auto"):
        resolve_device("cuda:2")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert resolve_device("auto") == "cpu"


def test_gpus_of_one_machine_are_one_class():
    assert [device_class(name) for name in ("cpu", "cuda:0", "cuda:3")] == ["cpu", "cuda", "cuda"]


def test_the_packages_order_of_formats_does_not_matter(make_package: Callable[..., Path], onnx_sigmoid: bytes):
    def add(rdf: dict) -> None:  # type: ignore[type-arg]
        rdf["weights"] = {"onnx": {"source": "weights.onnx", "opset_version": 17}, **rdf["weights"]}

    package = open_package(make_package(edit=add, files={"weights.onnx": onnx_sigmoid}))
    assert package.choose_weights() == "torchscript"
    assert package.choose_weights("onnx") == "onnx"
    assert load_model(package.path, weights="onnx", device="cpu").weights_format == "onnx"
