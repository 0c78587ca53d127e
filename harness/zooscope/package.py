"""A BioImage.IO package opened: what it says of itself, its digest, weights, processing. The network is in model.py."""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope.errors import PackageError, one_line
from zooscope.package_files import PackageFiles, read_card, read_rdf
from zooscope.package_operations import (
    MAKES_OBJECTS,
    DecoderChoice,
    custom_operations,
    decoder_of_operation,
    read_decoder,
)
from zooscope.package_tensors import InputTensor, OutputTensor, input_tensor, output_tensor
from zooscope.package_weights import FORMATS, RUNS_HERE, TRUSTED, Weights, find_weights, missing_runtime
from zooscope.processing import Processing
from zooscope.runkey import digest_of

_SAY_NOTHING = ("description", "test_tensor", "sample_tensor")
"""Keys of a tensor's description that change no answer."""


@dataclass(frozen=True)
class Package:
    """What a package says of itself.

    Attributes
    ----------
    digest : covers what it computes with: tensors, processing, decoder, TorchScript and ONNX weights (the others where
        it has neither).
    weights : those inside the package, in order of preference.
    operation : the one that makes objects, which runs as a decoder: `decoder` holds its parameters.
    object_diameter_px : median diameter of the objects that its network learned from, where it says one; images to
        predict are brought to it (`zooscope.sizing`).
    custom : its operations that run its own Python.
    card : its documentation's text, None where that is not in the package.
    tests : names of its test input and output, as .npy.
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
    operation: str | None
    object_diameter_px: float | None
    custom: tuple[str, ...]
    card: str | None = field(repr=False)
    tests: tuple[str, str] | None = field(repr=False)
    description: Any = field(repr=False)

    def choose_weights(self, wanted: str | None = None, *, trust: bool = False) -> str:
        """The weights format to run: `wanted`, else the first that the package has, those without Python before others.

        Raises
        ------
        PackageError : no such weights, or they or an operation would run the package's own Python without `trust`.
        """
        runnable = [name for name in FORMATS if name in self.weights and missing_runtime(name) is None]
        if wanted and wanted not in runnable:
            needs = missing_runtime(wanted) if wanted in self.weights else None
            raise PackageError(
                f"its {wanted} weights need {needs}, which is not installed"
                if needs
                else f"has no {wanted} weights that run here, only {', '.join(runnable)}"
            )
        chosen = wanted or runnable[0]
        if not trust and (python := self.python(chosen)):
            raise PackageError(f"runs the package's own Python, which --trust allows: {'; '.join(python)}")
        return chosen

    def python(self, weights_format: str) -> tuple[str, ...]:
        """What of the package's own Python runs with a weights format: file and callable of each."""
        if weights_format not in TRUSTED:
            return self.custom
        weights = self.weights[weights_format]
        what = f"{weights.architecture}" if weights.architecture else f"what {weights.member} holds"
        return (f"{what} ({weights_format})", *self.custom)

    def read_weights(self, weights_format: str) -> bytes:
        """Bytes of a weights file."""
        return self.read(self.weights[weights_format].member)

    def read(self, member: str) -> bytes:
        """Bytes of a file in the package."""
        return PackageFiles(self.path).read(member)

    def processing(self, *, trust: bool = False) -> Processing:
        """The package's own pre- and postprocessing, for whole images."""
        if self.custom and not trust:
            raise PackageError(f"runs the package's own Python, which --trust allows: {'; '.join(self.custom)}")
        return Processing(self.description, self.input, self.output)

    @property
    def test_digest(self) -> str:
        """Digest of the package's test tensors."""
        names = self.tests or ()
        files = PackageFiles(self.path)
        return digest_of([files.sha256(name)[0] for name in names])

    def test_tensors(self) -> tuple[xr.DataArray, NDArray[np.generic]]:
        """The package's test input as an image, y, x or y, x, c, and the test output (c, y, x).

        Of a network that takes volumes, z before y where the test input has more than one.

        Raises
        ------
        PackageError : there are none, or they are not what the description declares.
        """
        if self.tests is None:
            raise PackageError("it has no test tensors as .npy files")
        tensors = [_npy(PackageFiles(self.path), name) for name in self.tests]
        at = self.input.axes.find("z")
        deep = self.input.depth is not None and tensors[0].ndim > at and tensors[0].shape[at] > 1
        space = "zyx" if deep else "yx"
        given, expected = (
            _channels_first(array, axes, name, space)
            for array, axes, name in zip(tensors, (self.input.axes, self.output.axes), self.tests, strict=True)
        )
        if len(given) == 1:
            return xr.DataArray(given[0], dims=tuple(space)), expected
        return xr.DataArray(np.moveaxis(given, 0, -1), dims=(*space, "c")), expected


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
        raise PackageError(f"its description cannot be read ({type(error).__name__}: {one_line(error)})") from error


def _open(path: Path) -> Package:
    files = PackageFiles(path)
    rdf = read_rdf(files)
    _refuse_early(rdf)
    description = _validated(files)
    weights = find_weights(files, rdf, description)
    ours = _ours(rdf)
    digest = digest_of(_computing_part(rdf, ours), _weights_part(weights))
    (input_descr,), (output_descr,) = description.inputs, description.outputs
    processing = input_descr.preprocessing, output_descr.postprocessing
    operations = [str(item.id) for item in output_descr.postprocessing if str(item.id) in MAKES_OBJECTS]
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
        input=input_tensor(input_descr),
        output=output_tensor(output_descr, input_descr, _tested_channels(files, rdf)),
        decoder=read_decoder(ours.get("decoder")) or decoder_of_operation(*processing),
        operation=operations[0] if operations else None,
        object_diameter_px=_diameter_px(ours),
        custom=custom_operations(*processing),
        card=read_card(files, rdf),
        tests=_tests(rdf),
        description=description,
    )


def _refuse_early(rdf: Mapping[str, Any]) -> None:
    """Reasons that need no validation; they come first because they say most."""
    inputs, outputs = (rdf.get("inputs") or []), (rdf.get("outputs") or [])
    if len(inputs) != 1 or len(outputs) != 1:
        raise PackageError(
            f"takes {len(inputs)} inputs and gives {len(outputs)} outputs; one image in and one out is ranked"
        )
    formats = list(rdf.get("weights") or {})
    needs = {name: missing_runtime(str(name)) for name in formats}
    if not formats or all(needs.values()):
        told = "; ".join(f"{name} needs {runtime}" for name, runtime in needs.items())
        raise PackageError(f"no weights that run here: {told or 'it has no weights at all'}")


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
        raise PackageError(f"not a valid BioImage.IO description: {one_line(first)} ({len(errors)} errors)")
    return description


def _ours(rdf: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the description says to zooscope."""
    ours = (rdf.get("config") or {}).get("zooscope") or {}
    if not isinstance(ours, Mapping):
        raise PackageError(f"config.zooscope is {ours!r}; keys with values are expected")
    return ours


def _computing_part(rdf: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """What decides an answer: not texts, names of people, or test data."""
    tensors = {key: _without_texts(rdf.get(key)) for key in ("inputs", "outputs")}
    found = {"format_version": rdf.get("format_version"), **tensors, "decoder": ours.get("decoder")}
    diameter_px = _diameter_px(ours)  # not in what says none, whose digest is as it always was
    return found if diameter_px is None else {**found, "object_diameter_px": diameter_px}


def _diameter_px(ours: Mapping[str, Any]) -> float | None:
    found = ours.get("object_diameter_px")
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 1 <= found <= 10_000:
        raise PackageError(f"config.zooscope.object_diameter_px is {found!r}; a number of pixels is expected")
    return float(found)


def _weights_part(weights: Mapping[str, Weights]) -> dict[str, str]:
    """TorchScript and ONNX are twins and both stand for the model; a run with other weights names them in its key."""
    plain = {name: item.sha256 for name, item in weights.items() if name in RUNS_HERE}
    return plain or {name: item.digest for name, item in weights.items()}


def _tests(rdf: Mapping[str, Any]) -> tuple[str, str] | None:
    """Names of the test tensors; before format 0.5 they stand apart from their tensors."""
    found: list[str] = []
    for tensors, apart in (("inputs", "test_inputs"), ("outputs", "test_outputs")):
        named = (rdf.get(apart) or [None])[0] if apart in rdf else rdf[tensors][0].get("test_tensor")
        name = str(named.get("source") if isinstance(named, Mapping) else named).removeprefix("./")
        if not name.endswith(".npy") or "://" in name:
            return None
        found.append(name)
    return found[0], found[1]


def _npy(files: PackageFiles, name: str) -> NDArray[np.generic]:
    try:
        return files.array(name)
    except (ValueError, OSError, EOFError) as error:
        raise PackageError(f"its test tensor '{name}' cannot be read ({one_line(error)})") from error


def _channels_first(array: NDArray[np.generic], axes: str, name: str, space: str) -> NDArray[np.generic]:
    """The first image of a test tensor, c and then the axes of `space`."""
    if array.ndim != len(axes) or array.size == 0 or not set(space) <= set(axes):
        raise PackageError(f"its test tensor '{name}' has shape {array.shape}; it declares '{axes}'")
    kept = "c" + space
    array = array[tuple(slice(None) if letter in kept else 0 for letter in axes)]
    rest = "".join(letter for letter in axes if letter in kept)
    if "c" not in rest:
        array, rest = array[None], "c" + rest
    return array.transpose([rest.index(letter) for letter in kept])


def _without_texts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_texts(item) for key, item in value.items() if key not in _SAY_NOTHING}
    return [_without_texts(item) for item in value] if isinstance(value, list) else value


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
        raise PackageError(f"its test output '{name}' cannot be read ({one_line(error)})") from error
    return shape[axes.index("c")] if len(shape) == len(axes) else None
