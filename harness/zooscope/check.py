"""Check: is a package valid, does it reproduce its own test in every weights format, do the formats agree, lints.

Whatever runs a network runs in a process of its own (`python -m zooscope.check`): core's test reseeds generators and
sets deterministic algorithms for its whole process, and a network may crash.
"""

import importlib.util
import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import PackageError, one_line
from zooscope.lints import Finding, lints, operations
from zooscope.package import open_package
from zooscope.package_files import PackageFiles, named_files, read_card, read_rdf
from zooscope.package_weights import RUNS_HERE
from zooscope.predict.guard import Guard
from zooscope.predict.memory import default_limit_gib
from zooscope.predict.tail import Tail

TIME_LIMIT_S = 600.0
PARITY = 1e-4
"""Largest difference of two weights formats, relative to the largest value of the maps, or to 1 if that is larger."""

REFERENCE = "pytorch_state_dict"
"""What the other formats are derived from; the first of the formats stands in for it where it is not run."""

_RUNTIMES = {
    "keras_hdf5": ("tensorflow", "TensorFlow"),
    "keras_v3": ("keras", "Keras"),
    "tensorflow_saved_model_bundle": ("tensorflow", "TensorFlow"),
}
_ANSWER_BYTES = 2**20
_UNTESTED = ("tensorflow_js",)
_FAIR = "left empty, wanted by the FAIR principles"


def check(path: Path, *, trust: bool = False, time_limit_s: float = TIME_LIMIT_S) -> Iterator[Finding]:
    """Findings about a package, as they are found.

    Parameters
    ----------
    path : zip or folder, of any format from 0.3 on.
    trust : also run the package's own Python: state dicts, Keras and TensorFlow weights, `custom` operations.
    time_limit_s : the longest that each test may take.
    """
    try:
        files = PackageFiles(path)
        rdf = read_rdf(files)
    except PackageError as error:
        yield Finding("error", "package", str(error))
        return
    damaged = list(_damaged(files, rdf))
    yield from damaged or [Finding("ok", "files", "all that it names are there, as it says")]
    description, found = validate(path)
    yield from found
    if description is None:
        return
    yield _ranked(path, trust=trust)
    yield from lints(rdf, description, read_card(files, rdf))
    if damaged:
        yield Finding("warning", "tests", "not run, because files are damaged")
        return
    formats = yield from _runnable(description, trust=trust)
    for name in formats:
        yield from _tested(path, name, time_limit_s)
    if len(formats) > 1:
        yield from _parity(path, formats, time_limit_s)


def validate(path: Path) -> tuple[Any, list[Finding]]:
    """A package's description in the format's newest version (None where it is not valid), and what validation says."""
    import loguru
    from bioimageio.spec import InvalidDescr, ValidationContext, load_description

    loguru.logger.disable("bioimageio")
    logging.getLogger("bioimageio").setLevel(logging.ERROR)
    source = path if path.is_file() else path / PackageFiles(path).rdf_name()
    with warnings.catch_warnings(), ValidationContext(perform_io_checks=False):
        warnings.simplefilter("ignore")
        written = load_description(source)
        newest = load_description(source, format_version="latest")
    details = written.validation_summary.details
    invalid = isinstance(written, InvalidDescr)
    errors = [error for detail in details for error in detail.errors] if invalid else []
    found = [Finding("error", "format", f"{_place(error.loc)}: {one_line(error.msg)}") for error in errors]
    if not found and isinstance(newest, InvalidDescr):
        found = [Finding("error", "format", "valid as written, but it cannot be converted to the newest format")]
    if found or isinstance(newest, InvalidDescr):
        return None, found or [Finding("error", "format", "not valid")]
    found = [Finding("ok", "format", f"a valid {written.type} description")]
    grouped: dict[str, list[str]] = {}
    for detail in details:
        for warning in detail.warnings:
            text = _FAIR if "FAIR" in warning.msg else _first_sentence(warning.msg)
            grouped.setdefault(text, []).append(_place(warning.loc))
    found += [Finding("warning", "format", f"{', '.join(places)}: {text}") for text, places in grouped.items()]
    return newest, found


def parity_limit(reference: NDArray[np.float32]) -> float:
    """How far another weights format may be from these maps."""
    return PARITY * max(1.0, float(np.abs(reference).max(initial=0)))


def _damaged(files: PackageFiles, rdf: Mapping[str, Any]) -> Iterator[Finding]:
    """Files that the description names, with another content or not there; URLs are not looked at."""
    for name, sha256 in dict.fromkeys(named_files(rdf)):
        # before format 0.5 code is named as file.py:Class
        if "://" not in name and ":" not in name:
            yield from _damage(files, name.removeprefix("./"), sha256)


def _damage(files: PackageFiles, name: str, sha256: object) -> Iterator[Finding]:
    if name not in files.names:
        yield Finding("error", "files", f"'{name}' is named in the description but is not in the package")
    elif sha256 and files.sha256(name)[0] != sha256:
        yield Finding("error", "files", f"'{name}' is damaged: its sha256 is not the one in the description")


def _ranked(path: Path, *, trust: bool) -> Finding:
    """Whether zooscope itself can rank it."""
    from zooscope.decode import decoder_for, find_decoder
    from zooscope.levels import teller

    try:
        package = open_package(path)
        package.input.refuse("yx")
        package.choose_weights(trust=trust)
        choice = decoder_for(package)
        teller(find_decoder(choice.id, choice.version), package)
    except PackageError as error:
        return Finding("warning", "zooscope", f"cannot rank it: {error}")
    return Finding("ok", "zooscope", f"ranks it with the decoder {choice.id}@{choice.version}")


def _runnable(description: Any, *, trust: bool) -> Iterator[Finding]:
    """Findings about weights that are not tested; returns the names of those that are."""
    present = [name for name, entry in description.weights if entry is not None]
    present.sort(key=lambda name: name != REFERENCE)
    custom = "custom" in operations(description)
    chosen: list[str] = []
    for name in present:
        module, runtime = _RUNTIMES.get(name, ("", ""))
        if custom and not trust:
            yield Finding(
                "warning", name, "not tested: its processing runs the package's own Python; --trust allows it"
            )
        elif name not in RUNS_HERE and not trust:
            yield Finding("warning", name, "not tested: it may run the package's own Python; --trust allows it")
        elif name in _UNTESTED or (module and importlib.util.find_spec(module) is None):
            yield Finding("warning", name, f"not tested: it needs {runtime or 'a runtime'}, which is not installed")
        else:
            chosen.append(name)
    if not chosen:
        yield Finding("warning", "tests", "no weights were tested")
    return chosen


def _tested(path: Path, name: str, time_limit_s: float) -> Iterator[Finding]:
    """What core's own test says of one weights format."""
    answer, reason = _in_process("test", path, [name], time_limit_s)
    if answer is None:
        yield Finding("error", name, f"core's test {reason}")
        return
    for item in answer["failed"]:
        yield Finding("error", name, f"core's test: {item}")
    # a failing test leaves the status valid-format, so nothing but "passed" counts
    if answer["status"] == "passed":
        yield Finding("ok", name, f"passes core's test ({answer['passed']} steps)")
    elif not answer["failed"]:
        yield Finding("error", name, f"core's test ends with status {answer['status']}")


def _parity(path: Path, formats: Sequence[str], time_limit_s: float) -> Iterator[Finding]:
    """Each format against the first."""
    answer, reason = _in_process("parity", path, formats, time_limit_s)
    if answer is None:
        yield Finding("error", "parity", f"the comparison {reason}")
        return
    for item in answer["compared"]:
        level = "ok" if item["difference"] <= item["limit"] else "error"
        found = f"by {item['difference']:.2g} (allowed {item['limit']:.2g}) on sizes {item['sizes']}"
        yield Finding(level, "parity", f"{item['format']} differs from {formats[0]} {found}")


def _in_process(job: str, path: Path, formats: Sequence[str], time_limit_s: float) -> tuple[Any, str]:
    """A job's answer, or None and what became of it. It sees no GPU, so that two machines find the same."""
    command = [sys.executable, "-m", "zooscope.check", job, str(path.resolve()), *formats]
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=env, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = Tail(process.stdout, kept_bytes=_ANSWER_BYTES), Tail(process.stderr)
    guard = Guard(process, memory_limit_gib=default_limit_gib())
    try:
        with guard.at("", time_limit_s):
            process.wait()
        lines, last = (tail.text().strip().splitlines() for tail in (out, err))
    finally:
        guard.close()
        process.wait()
        out.close()
        err.close()
    if guard.stopped:
        return None, guard.stopped
    if process.returncode or not lines:
        return (
            None,
            f"ended with exit code {process.returncode} ({one_line(last[-1] if last else 'nothing was said')})",
        )
    answer = json.loads(lines[-1])
    return (None, f"was not run: {answer['refused']}") if "refused" in answer else (answer, "")


def _refuse_hostile(path: Path, formats: Sequence[str]) -> None:
    """PackageError where weights, which core would load as they are, reach beyond the network."""
    from zooscope.predict.backends import LOOKED_OVER

    files = PackageFiles(path)
    rdf = read_rdf(files)
    for name in set(formats) & set(LOOKED_OVER):
        LOOKED_OVER[name](files.read(str(rdf["weights"][name]["source"]).removeprefix("./")))


def _run_test(path: Path, weights_format: str) -> dict[str, Any]:
    from bioimageio.core import test_description

    wanted: Any = weights_format
    summary = test_description(path, weight_format=wanted, devices=["cpu"], determinism="full")
    steps = [detail for detail in summary.details if weights_format in detail.loc]
    failed = [
        f"{detail.name}: {one_line(error.msg)}"
        for detail in summary.details
        for error in (detail.errors if detail.status == "failed" else ())
    ]
    passed = sum(detail.status == "passed" for detail in steps)
    return {"status": summary.status, "passed": passed, "failed": failed}


def _run_parity(path: Path, formats: Sequence[str]) -> dict[str, Any]:
    """Raw outputs for the test input at three small sizes, not square where the package allows it, format by format."""
    from bioimageio.core import create_prediction_pipeline
    from bioimageio.spec import load_model_description

    model = load_model_description(path, format_version="latest")
    stepped = {(t.id, a.id) for t in model.inputs for a in t.axes if hasattr(getattr(a, "size", None), "step")}
    targets = [
        model.get_axis_sizes({key: n + (key[1] == "x") for key in stepped}, batch_size=1)[0]
        for n in ((0, 1, 2) if stepped else (0,))
    ]
    answers: dict[str, list[NDArray[np.float32]]] = {}
    for name in formats:
        wanted: Any = name
        with create_prediction_pipeline(model, weight_format=wanted, devices=["cpu"]) as pipeline:
            answers[name] = [array for target in targets for array in _outputs(pipeline, model, target)]
    first = model.inputs[0].id
    sizes = [
        "x".join(str(size) for (id, axis), size in t.items() if id == first and axis in ("y", "x")) for t in targets
    ]
    compared: list[dict[str, Any]] = []
    for name in formats[1:]:
        pairs = list(zip(answers[formats[0]], answers[name], strict=True))
        differences = [(_difference(a, b), parity_limit(a)) for a, b in pairs]
        difference, limit = max(differences, key=lambda pair: pair[0] / pair[1])
        compared.append({"format": name, "difference": difference, "limit": limit, "sizes": ", ".join(sizes)})
    return {"compared": compared}


def _difference(reference: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The largest; infinite where either is NaN or infinite, or their shapes differ."""
    if reference.shape != other.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        difference = float(np.abs(reference - other).max(initial=0))
    return difference if np.isfinite(difference) else float("inf")


def _outputs(pipeline: Any, model: Any, target: Mapping[Any, int]) -> list[NDArray[np.float32]]:
    """A pipeline's outputs, before any postprocessing, for the test input brought to a size."""
    from bioimageio.core.digest_spec import get_test_input_sample
    from bioimageio.core.sample import Sample

    given = get_test_input_sample(model)  # a new one each time: preprocessing changes it
    members = {
        t.id: given.members[t.id].resize_to({axis: size for (id, axis), size in target.items() if id == t.id})
        for t in model.inputs
    }
    out = pipeline.predict_sample_without_blocking(
        Sample(members=members, stat=given.stat, id="parity"),
        skip_postprocessing=True,
        skip_input_padding=True,
        skip_output_cropping=True,
    )
    return [np.asarray(out.members[t.id].data.to_numpy(), np.float32) for t in model.outputs]


def _place(loc: Sequence[Any]) -> str:
    return ".".join(str(part) for part in loc) or "description"


def _first_sentence(text: str) -> str:
    return one_line(text).partition(". ")[0]


if __name__ == "__main__":
    _job, _path, *_formats = sys.argv[1:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _refuse_hostile(Path(_path), _formats)
            _answer = _run_test(Path(_path), _formats[0]) if _job == "test" else _run_parity(Path(_path), _formats)
        except PackageError as _error:
            _answer = {"refused": str(_error)}
    print(json.dumps(_answer))
