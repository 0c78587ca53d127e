"""Weights formats: which run here, what each needs, and which of them run a package's own Python."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zooscope.errors import PackageError
from zooscope.package_files import PackageFiles
from zooscope.runkey import digest_of

RUNS_HERE = ("torchscript", "onnx")
"""Weights formats that run without the package's own Python, in order of preference."""

TRUSTED = ("pytorch_state_dict", "keras_v3", "keras_hdf5", "tensorflow_saved_model_bundle")
"""Formats that may run the package's own Python, in order of preference; they need trust."""

FORMATS = (*RUNS_HERE, *TRUSTED)

_RUNTIMES = {
    "keras_v3": (("keras",), "Keras"),
    "keras_hdf5": (("tensorflow", "keras"), "TensorFlow or Keras"),
    "tensorflow_saved_model_bundle": (("tensorflow",), "TensorFlow"),
    "tensorflow_js": ((), "TensorFlow.js"),
}
"""Modules of which one must be installed, and their name."""


@dataclass(frozen=True)
class Architecture:
    """What builds the network of a state dict: `callable` of a file in the package (`source`), or of a library."""

    callable: str
    kwargs: Mapping[str, Any]
    source: str | None
    library: str | None
    sha256: str | None

    def __str__(self) -> str:
        return f"{self.callable} of {self.source or f'the installed library {self.library}'}"


@dataclass(frozen=True)
class Weights:
    """One weights file inside the package; sha256 of the bytes that are there."""

    member: str
    sha256: str
    size_bytes: int
    architecture: Architecture | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """Of all that the network is made of."""
        built = self.architecture
        part = None if built is None else [built.callable, dict(built.kwargs), built.library, built.sha256]
        return digest_of(self.sha256, part)


def missing_runtime(weights_format: str) -> str | None:
    """What must be installed before a format runs; None where nothing is missing."""
    if weights_format in (*RUNS_HERE, "pytorch_state_dict"):
        return None
    modules, name = _RUNTIMES.get(weights_format, ((), "a runtime that zooscope lacks"))
    return None if any(importlib.util.find_spec(module) for module in modules) else name


def find_weights(files: PackageFiles, rdf: Mapping[str, Any], description: Any) -> dict[str, Weights]:
    """The weights that are in a package, in order of preference.

    Raises
    ------
    PackageError : TorchScript or ONNX weights (any weights, where there are no others) that are damaged, not in the
        package, or only at a URL.
    """
    named = [name for name in FORMATS if rdf["weights"].get(name)]
    found: dict[str, Weights] = {}
    for name in named:
        try:
            found[name] = _weights(files, name, rdf["weights"][name], description)
        except PackageError:
            # a damaged state dict beside sound TorchScript is no reason against the package
            if name in RUNS_HERE or not any(other in found for other in RUNS_HERE):
                raise
    return found


def _weights(files: PackageFiles, name: str, entry: Mapping[str, Any], description: Any) -> Weights:
    member = str(entry.get("source", "")).removeprefix("./")
    if member.startswith(("http://", "https://")):
        raise PackageError(f"its {name} weights lie at a URL; only weights inside the package are run")
    sha256, size_bytes = files.sha256(member)
    if entry.get("sha256") not in (None, sha256):
        raise PackageError(f"its {name} weights are damaged: sha256 is {sha256[:12]}, it says {entry['sha256'][:12]}")
    architecture = None
    if name == "pytorch_state_dict":
        architecture = _architecture(files, description.weights.pytorch_state_dict.architecture)
    return Weights(member, sha256, size_bytes, architecture)


def _architecture(files: PackageFiles, descr: Any) -> Architecture:
    library = getattr(descr, "import_from", None)
    if library is not None:
        return Architecture(str(descr.callable), dict(descr.kwargs), None, str(library), None)
    source = str(getattr(descr.source, "path", descr.source)).removeprefix("./")
    if source.startswith(("http://", "https://")):
        raise PackageError("its architecture file lies at a URL; only files inside the package are run")
    sha256, _ = files.sha256(source)
    if descr.sha256 not in (None, sha256):
        raise PackageError(f"its architecture file '{source}' is damaged: its sha256 is not the one in its description")
    return Architecture(str(descr.callable), dict(descr.kwargs), source, None, sha256)
