"""Keras and TensorFlow weights, where those are installed. They can hold Python, so only with trust."""

import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.data.archive import open_zip
from zooscope.errors import PackageError, one_line
from zooscope.predict.backends import Network

_SUFFIXES = {"keras_hdf5": ".h5", "keras_v3": ".keras"}


def keras_network(weights: bytes, weights_format: str) -> Network:
    """A Keras model or a TensorFlow SavedModel (zipped). TensorFlow itself chooses the device.

    Raises
    ------
    PackageError : weights that cannot be loaded.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            call, to_numpy = _loaded(weights, weights_format, Path(folder))
    except Exception as error:
        raise PackageError(
            f"its {weights_format} weights cannot be loaded ({type(error).__name__}: {one_line(error)})"
        ) from error

    def run(batch: NDArray[np.generic]) -> NDArray[np.float32]:
        out = call(batch)
        if isinstance(out, dict):
            out = list(out.values())
        if isinstance(out, tuple | list):
            if len(out) != 1:
                raise PackageError(f"its network gives {len(out)} outputs; one is expected")
            out = out[0]
        return np.asarray(to_numpy(out), np.float32)

    return run


def _loaded(weights: bytes, weights_format: str, folder: Path) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What answers a batch, and what makes an array of its answer."""
    if weights_format == "tensorflow_saved_model_bundle":
        return _saved_model(weights, folder)
    path = folder / f"weights{_SUFFIXES[weights_format]}"
    path.write_bytes(weights)
    keras = _keras()
    model = keras.models.load_model(str(path), compile=False)
    to_numpy = getattr(getattr(keras, "ops", None), "convert_to_numpy", np.asarray)  # Keras 3 has other backends too
    return (lambda batch: model(batch, training=False)), to_numpy


def _keras() -> Any:
    try:
        keras: Any = importlib.import_module("keras")
    except ImportError:
        keras = importlib.import_module("tensorflow").keras
    return keras


def _saved_model(weights: bytes, folder: Path) -> tuple[Callable[..., Any], Callable[..., Any]]:
    tensorflow: Any = importlib.import_module("tensorflow")
    packed, unpacked = folder / "weights.zip", folder / "unpacked"
    packed.write_bytes(weights)
    with open_zip(packed) as archive:
        archive.extractall(unpacked)
    found = next(unpacked.rglob("saved_model.pb")).parent
    signature = tensorflow.saved_model.load(str(found)).signatures["serving_default"]
    name = next(iter(signature.structured_input_signature[1]))
    return (lambda batch: signature(**{name: tensorflow.constant(batch)})), np.asarray
