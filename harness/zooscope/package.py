"""A BioImage.IO package opened: what it says of itself, its digest, weights, processing. The network is in model.py."""

import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import PackageError
from zooscope.package_files import PackageFiles, read_card, read_rdf
from zooscope.predict.tiling import AxisSize
from zooscope.runkey import digest_of

RUNS_HERE = ("torchscript", "onnx")
"""Weights formats that run without the package's own Python, in order of preference."""

_NEEDS = {
    "keras_hdf5": "TensorFlow or Keras",
    "keras_v3": "Keras",
    "tensorflow_saved_model_bundle": "TensorFlow",
    "tensorflow_js": "TensorFlow.js",
    "pytorch_state_dict": "the package's own Python, which is not run",
}
_LETTERS = {"batch": "b", "channel": "c"}
_SAY_NOTHING = ("description", "test_tensor", "sample_tensor")
"""Keys of a tensor's description that change no answer."""

_MAKES_OBJECTS = ("stardist_postprocessing", "cellpose_flow_dynamics")


@dataclass(frozen=True)
class Weights:
    """One weights file inside the package; sha256 of the bytes that are there."""

    member: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class InputTensor:
    """The one input: `axes` as in "bcyx", allowed sizes of y and x, dtype that the package declares."""

    id: str
    axes: str
    channels: int
    sizes: tuple[AxisSize, AxisSize]
    dtype: str


@dataclass(frozen=True)
class OutputTensor:
    """The one output: `axes` as in "bcyx", halo in pixels of the image (None where undeclared)."""

    id: str
    axes: str
    channels: int
    halo_px: tuple[int, int] | None


@dataclass(frozen=True)
class DecoderChoice:
    """A decoder with the parameters that are fixed; the others may be tuned."""

    id: str
    version: int
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Package:
    """What a package says of itself. `digest` covers what it computes with: tensors, processing, decoder, weights.

    `card` is its documentation's text, None where that is not in the package.
    """

    path: Path
    name: str
    title: str
    digest: str
    format_version: str
    licence: str
    tags: tuple[str, ...]
    training_data: tuple[Mapping[str, Any], ...]
    size_bytes: int
    weights: Mapping[str, Weights]
    input: InputTensor
    output: OutputTensor
    decoder: DecoderChoice | None
    card: str | None = field(repr=False)
    description: Any = field(repr=False)

    def choose_weights(self, wanted: str | None = None) -> str:
        """The weights format to run: `wanted`, else the first of `RUNS_HERE` that the package has."""
        runnable = [name for name in RUNS_HERE if name in self.weights]
        if wanted and wanted not in runnable:
            raise PackageError(f"has no {wanted} weights that run here, only {', '.join(runnable)}")
        return wanted or runnable[0]

    def read_weights(self, weights_format: str) -> bytes:
        """Bytes of a weights file."""
        return PackageFiles(self.path).read(self.weights[weights_format].member)

    def processing(self) -> "Processing":
        """The package's own pre- and postprocessing, for whole images."""
        return Processing(self.description, self.input, self.output)


def open_package(path: Path) -> Package:
    """Read a package, a zip or a folder, of format 0.3 to 0.5. No weights are loaded and no code of it runs.

    Raises
    ------
    PackageError : the reason why it cannot be ranked, as one line that names no path.
    """
    try:
        return _open(path)
    except PackageError:
        raise
    except Exception as error:  # whatever else a stranger's description can hold
        raise PackageError(f"its description cannot be read ({type(error).__name__}: {_one_line(error)})") from error


def _open(path: Path) -> Package:
    files = PackageFiles(path)
    rdf = read_rdf(files)
    _refuse_early(rdf)
    description = _validated(files)
    weights = _weights(files, rdf)
    ours = _ours(rdf)
    digest = digest_of(_computing_part(rdf, ours), {name: item.sha256 for name, item in weights.items()})
    (input_descr,), (output_descr,) = description.inputs, description.outputs
    _refuse_processing(input_descr.preprocessing, output_descr.postprocessing)
    return Package(
        path=path,
        name=path.stem if path.is_file() else path.resolve().name,
        title=str(description.name),
        digest=digest,
        format_version=str(rdf.get("format_version")),
        licence=str(rdf.get("license") or "not stated"),
        tags=tuple(str(tag) for tag in rdf.get("tags") or ()),
        training_data=_training_data(rdf, ours),
        size_bytes=max(item.size_bytes for item in weights.values()),
        weights=weights,
        input=_input(input_descr),
        output=_output(output_descr, input_descr, _tested_channels(files, rdf)),
        decoder=_decoder(ours.get("decoder")),
        card=read_card(files, rdf),
        description=description,
    )


class Processing:
    """A package's own operations, run by bioimageio.core on whole images.

    Statistics come from the one image, never from a tile of it and never from the images before it, also where a
    package would take them over a batch or a data set that it does not carry.
    """

    def __init__(self, description: Any, given: InputTensor, output: OutputTensor) -> None:
        from bioimageio.core.proc_setup import setup_pre_and_postprocessing

        self._input, self._output = given, output
        # made anew for each image: core would go on averaging statistics over all images that came before
        self._operations = lambda: setup_pre_and_postprocessing(description, dataset_for_initial_statistics=())
        try:
            self._operations()
        except Exception as error:
            raise PackageError(f"its processing cannot be set up ({_one_line(error)})") from error

    def begin(
        self, image: NDArray[np.generic]
    ) -> tuple[NDArray[np.float32], Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
        """Preprocess an image (c, y, x); return it and the function that postprocesses its maps (c, y, x)."""
        from bioimageio.core.sample import Sample as CoreSample
        from bioimageio.core.tensor import Tensor
        from bioimageio.spec.model.v0_5 import TensorId

        in_id, out_id = TensorId(self._input.id), TensorId(self._output.id)
        dims = ("batch", "channel", "y", "x")
        array = _cast(image[None], self._input.dtype)
        # core's operations change the sample they are given, so each image gets its own
        sample = CoreSample(members={in_id: Tensor.from_numpy(array, dims=dims)}, stat={}, id=None)
        operations = self._operations()
        for operation in operations.pre:
            operation(sample)
        ready = sample.members[in_id].data.transpose(*dims).to_numpy()[0]

        def finish(maps: NDArray[np.float32]) -> NDArray[np.float32]:
            sample.members[out_id] = Tensor.from_numpy(maps[None], dims=dims)
            for operation in operations.post:
                operation(sample)
            done = sample.members[out_id].data.transpose(*dims).to_numpy()[0]
            return np.ascontiguousarray(done, np.float32)

        return np.ascontiguousarray(ready, np.float32), finish


def _cast(array: NDArray[np.generic], dtype: str) -> NDArray[np.generic]:
    """The array as the declared dtype; PackageError where that would wrap its values around."""
    if np.dtype(dtype).kind in "ui" and array.size:
        low, high, limits = array.min(), array.max(), np.iinfo(dtype)
        if low < limits.min or high > limits.max:
            raise PackageError(f"takes {dtype} images; this one has values from {low:g} to {high:g}")
        if array.dtype.kind == "f":
            array = np.rint(array)
    return array.astype(dtype)


def _refuse_early(rdf: Mapping[str, Any]) -> None:
    """Reasons that need no validation; they come first because they say most."""
    inputs, outputs = (rdf.get("inputs") or []), (rdf.get("outputs") or [])
    if len(inputs) != 1 or len(outputs) != 1:
        raise PackageError(
            f"takes {len(inputs)} inputs and gives {len(outputs)} outputs; one image in and one out is ranked"
        )
    formats = list(rdf.get("weights") or {})
    if not set(formats) & set(RUNS_HERE):
        needs = "; ".join(f"{name} needs {_NEEDS.get(name, 'a runtime that zooscope lacks')}" for name in formats)
        raise PackageError(f"no TorchScript or ONNX weights: {needs or 'it has no weights at all'}")


def _validated(files: PackageFiles) -> Any:
    """The description in the spec's newest format, whatever format it was written in."""
    import loguru
    from bioimageio.spec import InvalidDescr, ValidationContext, load_description

    loguru.logger.disable("bioimageio")
    logging.getLogger("bioimageio").setLevel(logging.ERROR)
    source = files.path if files.path.is_file() else files.path / files.rdf_name()
    with warnings.catch_warnings(), ValidationContext(perform_io_checks=False):
        warnings.simplefilter("ignore")
        description = load_description(source, format_version="latest")
    if isinstance(description, InvalidDescr):
        errors = [error for detail in description.validation_summary.details for error in detail.errors]
        first = f"{'.'.join(str(part) for part in errors[0].loc)}: {errors[0].msg}" if errors else "no reason given"
        raise PackageError(f"not a valid BioImage.IO description: {_one_line(first)} ({len(errors)} errors)")
    return description


def _weights(files: PackageFiles, rdf: Mapping[str, Any]) -> dict[str, Weights]:
    found: dict[str, Weights] = {}
    for name in RUNS_HERE:
        entry = rdf["weights"].get(name)
        if not entry:
            continue
        member = str(entry.get("source", "")).removeprefix("./")
        if member.startswith(("http://", "https://")):
            raise PackageError(f"its {name} weights lie at a URL; only weights inside the package are run")
        sha256, size_bytes = files.sha256(member)
        if entry.get("sha256") not in (None, sha256):
            raise PackageError(
                f"its {name} weights are damaged: sha256 is {sha256[:12]}, it says {entry['sha256'][:12]}"
            )
        found[name] = Weights(member, sha256, size_bytes)
    return found


def _ours(rdf: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the description says to zooscope."""
    ours = (rdf.get("config") or {}).get("zooscope") or {}
    if not isinstance(ours, Mapping):
        raise PackageError(f"config.zooscope is {ours!r}; keys with values are expected")
    return ours


def _computing_part(rdf: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """What decides an answer: not texts, names of people, or test data."""
    tensors = {key: _without_texts(rdf.get(key)) for key in ("inputs", "outputs")}
    return {"format_version": rdf.get("format_version"), **tensors, "decoder": ours.get("decoder")}


def _without_texts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_texts(item) for key, item in value.items() if key not in _SAY_NOTHING}
    return [_without_texts(item) for item in value] if isinstance(value, list) else value


def _refuse_processing(pre: Sequence[Any], post: Sequence[Any]) -> None:
    for operation in (*pre, *post):
        name = str(getattr(operation, "id", "?"))
        if name == "custom":
            what = getattr(operation.kwargs, "callable", "") or getattr(operation, "callable", "")
            raise PackageError(f"its processing runs the package's own Python ('custom' {what}), which is not run")
        if name in _MAKES_OBJECTS:
            raise PackageError(f"its postprocessing '{name}' is not run yet; a package that gives the dense maps is")


def _training_data(rdf: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    found = ours.get("training_data") or []
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise PackageError(f"config.zooscope.training_data is {found!r}; a list of {{dataset, splits}} is expected")
    declared: list[Mapping[str, Any]] = list(found)
    theirs = rdf.get("training_data")
    if isinstance(theirs, Mapping) and theirs.get("id"):
        declared.append({"dataset": str(theirs["id"])})
    return tuple(declared)


def _tested_channels(files: PackageFiles, rdf: Mapping[str, Any]) -> int | None:
    """Channels of the test output of a format before 0.5, whose description does not always tell them."""
    names, axes = rdf.get("test_outputs"), str(rdf["outputs"][0].get("axes", ""))
    if not names or "c" not in axes or not str(names[0]).endswith(".npy") or "://" in str(names[0]):
        return None
    name = str(names[0]).removeprefix("./")
    try:
        shape = files.array_shape(name)
    except (ValueError, OSError) as error:
        raise PackageError(f"its test output '{name}' cannot be read ({_one_line(error)})") from error
    return shape[axes.index("c")] if len(shape) == len(axes) else None


def _input(descr: Any) -> InputTensor:
    axes, channels, sizes = _axes(descr, "input")
    return InputTensor(str(descr.id), axes, channels, (_size(sizes["y"]), _size(sizes["x"])), descr.dtype)


def _output(descr: Any, input_descr: Any, tested_channels: int | None) -> OutputTensor:
    axes, channels, _ = _axes(descr, "output")
    grid = {str(axis.id): axis.scale / _scale(input_descr, str(axis.id)) for axis in descr.axes if axis.type == "space"}
    halos = {
        id: math.ceil((getattr(axis, "halo", 0) or 0) * grid[id]) for axis in descr.axes if (id := str(axis.id)) in grid
    }
    halo = (halos["y"], halos["x"]) if halos["y"] or halos["x"] else None
    return OutputTensor(str(descr.id), axes, tested_channels or channels, halo)


def _scale(descr: Any, axis_id: str) -> float:
    return next((float(axis.scale) for axis in descr.axes if str(axis.id) == axis_id), 1.0)


def _axes(descr: Any, which: str) -> tuple[str, int, dict[str, Any]]:
    letters, channels, sizes = "", 1, dict[str, Any]()
    for axis in descr.axes:
        letter = _LETTERS.get(axis.type, str(axis.id))
        if letter not in ("b", "c", "y", "x"):
            raise PackageError(f"its {which} has an axis '{axis.id}'; 2D images (batch, channel, y, x) are ranked")
        if letter == "c":
            channels = len(axis.channel_names)
        if letter == "b" and (getattr(axis, "size", None) or 1) != 1:
            raise PackageError(f"its {which} wants a batch of exactly {axis.size}")
        letters += letter
        sizes[letter] = getattr(axis, "size", None)
    if not {"y", "x"} <= set(letters):
        raise PackageError(f"its {which} has axes '{letters}'; y and x are expected")
    return letters, channels, sizes


def _size(size: Any) -> AxisSize:
    if isinstance(size, int):
        return AxisSize(size)
    if hasattr(size, "min") and hasattr(size, "step"):
        return AxisSize(int(size.min), int(size.step))
    raise PackageError("its input's size depends on another axis; fixed and stepped sizes are run")


def _decoder(raw: Any) -> DecoderChoice | None:
    if raw is None:
        return None
    try:
        return DecoderChoice(str(raw["id"]), int(raw["version"]), dict(raw.get("params") or {}))
    except (KeyError, TypeError, ValueError) as error:
        raise PackageError(f"config.zooscope.decoder needs id, version and params, but is {raw!r}") from error


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
