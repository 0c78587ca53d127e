"""Keras weights: run with trust where Keras is installed (here a stand-in for it), else a reason."""

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from zooscope import load_model
from zooscope.data import Dataset
from zooscope.errors import PackageError
from zooscope.package import open_package

MakePackage = Callable[..., Path]


@pytest.fixture
def keras(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module `keras` that loads any file as the network `sigmoid`, and tells what it was asked to load."""

    def load(path: str, **options: bool) -> Any:
        assert options == {"compile": False}
        module.loaded.append((Path(path).suffix, Path(path).read_bytes()))

        def network(batch: np.ndarray, *, training: bool) -> Any:
            assert not training
            return [SimpleNamespace(array=1 / (1 + np.exp(-20 * (batch - 0.3))))]

        return network

    module: Any = ModuleType("keras")
    module.__spec__ = importlib.machinery.ModuleSpec("keras", None)
    module.models = SimpleNamespace(load_model=load)
    module.ops = SimpleNamespace(convert_to_numpy=lambda tensor: tensor.array)
    module.loaded = []
    monkeypatch.setitem(sys.modules, "keras", module)
    return module


def with_weights(name: str, source: str) -> Callable[[dict[str, Any]], None]:
    version = {"tensorflow_version": "2.15.0"}
    return lambda rdf: rdf.update(weights={name: {"source": source, **version}})


def test_keras_weights_run_with_trust(make_package: MakePackage, keras: Any, demo: Dataset):
    path = make_package("channels-last", edit=with_weights("keras_hdf5", "w.h5"), files={"w.h5": b"weights"})
    with pytest.raises(PackageError, match=r"which --trust allows: what w\.h5 holds \(keras_hdf5\)"):
        load_model(path, device="cpu")
    assert keras.loaded == []
    model = load_model(path, trust=True, device="cpu")
    assert keras.loaded == [(".h5", b"weights")]
    image = next(s for s in demo if s.axes == "yx").image
    plain = load_model(make_package(at="plain.zip"), device="cpu").maps(image)
    np.testing.assert_allclose(model.maps(image), plain, atol=1e-5)


def test_weights_that_keras_cannot_load_are_a_reason(make_package: MakePackage, keras: Any):
    def fail(path: str, **_: Any) -> None:
        raise OSError(f"{path}\nis no HDF5")

    keras.models.load_model = fail
    path = make_package("channels-last", edit=with_weights("keras_hdf5", "w.h5"), files={"w.h5": b"weights"})
    with pytest.raises(PackageError, match=r"its keras_hdf5 weights cannot be loaded \(OSError: .*is no HDF5\)"):
        load_model(path, trust=True, device="cpu")


def test_the_pancreas_network_needs_what_is_not_installed(mirror: Path):
    path = mirror / "packages" / "pancreatic-phase-keras-v0.3.zip"
    if not path.is_file():
        pytest.skip(f"{path} is not in the mirror")
    if any(importlib.util.find_spec(name) for name in ("keras", "tensorflow")):
        image, expected = open_package(path).test_tensors()
        np.testing.assert_allclose(load_model(path, trust=True, device="cpu").maps(image), expected, atol=1e-4)
        return
    with pytest.raises(PackageError, match="no weights that run here: keras_hdf5 needs TensorFlow or Keras"):
        open_package(path)
