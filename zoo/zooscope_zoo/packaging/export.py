"""`export`: from a run's folder to a package."""

import contextlib
import inspect
import io
import os
import tempfile
import zipfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from zooscope import atomic
from zooscope.check import validate
from zooscope.decode import find_decoder
from zooscope.errors import UsageError, ZooscopeError
from zooscope.package import open_package
from zooscope_zoo.packaging.card import labels_text, model_card, output_text
from zooscope_zoo.packaging.cover import cover_png
from zooscope_zoo.packaging.formats import Formats, make_formats
from zooscope_zoo.packaging.measured import Measured, measure_package, validation_data
from zooscope_zoo.packaging.method_card import method_card
from zooscope_zoo.packaging.operation import Operation, find_operation, prove_labels
from zooscope_zoo.packaging.parity import one_thread
from zooscope_zoo.packaging.rdf import (
    citations,
    known_size,
    labels_output,
    licence_of,
    maps_output,
    ours,
    package_name,
    package_rdf,
)
from zooscope_zoo.packaging.shipped_weights import read_shipped
from zooscope_zoo.packaging.trained import Trained, read_run
from zooscope_zoo.training.curves import curves_png

_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Publisher:
    """What a package says that no run knows.

    Attributes
    ----------
    licence : SPDX id; None takes BSD-3-Clause for CC0 data, else the data's own where there is one.
    tags : beside the method's and the data sets' names, e.g. "nuclei".
    """

    authors: Sequence[str] = ()
    licence: str | None = None
    tags: Sequence[str] = ()


def export(
    run: str | Path,
    output: Path,
    *,
    with_postprocessing: bool = False,
    tta: bool = False,
    changes: Sequence[str] = (),
    publisher: Publisher | None = None,
    progress: bool = False,
) -> Path:
    """Write a run's weights as a BioImage.IO package; the same bytes each time.

    The weights are rounded to half precision first; parity, decoder parameters, validation figures, cover and test
    tensors are all of the rounded ones. The decoder is tuned on the images that the run validated on.

    Parameters
    ----------
    run : a run's folder, or the id of shipped weights, which bring their decoder's parameters and need no data.
    with_postprocessing : labels by the spec's own operation instead of dense maps, for tools that know no decoders.
    tta : test-time augmentation inside the package: its maps are the mean over the image's eight flips and rotations,
        in eight times the time. The package's figures are measured so, which needs the data.
    changes : of `read_run`; the same holds for them.

    Raises
    ------
    UsageError : no training in `run`, an output that is no .zip, a method without an operation of the spec, or one
        that cannot be augmented.
    DataError : the data of the run is not there any more. ZooscopeError : the weights formats disagree, or what
        `publisher` says does not fit the format.
    """
    refuse_unwritable(output)
    trained = read_run(run, changes=changes)
    operation = find_operation(trained) if with_postprocessing else None
    if tta:
        _ = trained.turning  # refused where maps do not turn with the image
    shipped = read_shipped(run)
    known = shipped.measured if shipped and not tta and not changes else None
    if not known:
        validation_data(trained)  # asked first, because what follows takes a while
    formats = make_formats(trained, tta=tta)
    with drafted(trained, formats) as draft:
        measured = known or measure_package(trained, draft, progress=progress)
        with one_thread():
            cover = cover_png(draft, formats.sample, trained.decoder, measured.params)
        ready, _ = open_package(draft).processing().begin(formats.raw[0])
    if operation and operation.channels_last:
        formats = make_formats(trained, channels_last=True, tta=tta)
    formats = replace(formats, ready=ready[None])
    publisher = publisher or Publisher()
    if tta:
        publisher = replace(publisher, tags=(*publisher.tags, "test-time-augmentation"))
    if shipped:
        authors, tags = publisher.authors or shipped.authors, (*shipped.tags, *publisher.tags)
        publisher = replace(publisher, authors=authors, tags=tags)
    files = package_files(trained, formats, measured, cover, publisher=publisher, operation=operation)
    refuse_invalid(files)
    atomic.write_bytes(output, zipped(files))
    return output


@contextlib.contextmanager
def drafted(trained: Trained, formats: Formats) -> Generator[Path]:
    """Folder of a package that runs, without decoder, card and cover; the harness runs it as it runs any."""
    with tempfile.TemporaryDirectory() as name:
        yield _written(draft_files(trained, formats), Path(name) / "draft")


def draft_files(trained: Trained, formats: Formats) -> dict[str, bytes]:
    """A package that runs, without decoder, card and cover."""
    files = {**formats.files, "test_input.npy": npy_bytes(formats.raw), "test_output.npy": npy_bytes(formats.output)}
    outputs = [maps_output(trained, files)]
    rdf = package_rdf(trained, method_card(trained.method), formats.architecture, files, outputs, licence=None)
    if size := known_size(trained):
        rdf["config"] = {"zooscope": size}
    return {**files, "rdf.yaml": yaml_bytes(rdf)}


def package_files(
    trained: Trained,
    formats: Formats,
    measured: Measured,
    cover: bytes,
    *,
    publisher: Publisher,
    operation: Operation | None = None,
) -> dict[str, bytes]:
    """All files of a package by name; with an `operation` of labels instead of dense maps."""
    card, decoder = method_card(trained.method), trained.decoder
    licence = publisher.licence or licence_of(trained)
    files = {**formats.files, "test_input.npy": npy_bytes(formats.raw), "cover.png": cover}
    if trained.curves is not None:
        files["curves.png"] = curves_png(trained.curves, note=trained.method.curve_note)
    if operation:
        kwargs = operation.kwargs(trained, measured.params, formats.channels)
        files["test_output.npy"] = npy_bytes(prove_labels(operation, formats.maps, formats.onnx_maps, kwargs))
        outputs, text = [labels_output(files, operation, kwargs)], labels_text(operation, tta=formats.tta)
    else:
        files["test_output.npy"] = npy_bytes(formats.output)
        files["decoder.py"] = inspect.getsource(find_decoder(decoder)).encode()  # type: ignore[arg-type]
        outputs = [maps_output(trained, files)]
        text = output_text(trained, measured.decoder, tta=formats.tta)
    name = package_name(trained, card)
    cite = citations(trained, card)
    readme = model_card(name, trained, card, measured, formats.parity, output=text, licence=licence, cite=cite)
    files["README.md"] = readme.encode()
    rdf = package_rdf(
        trained, card, formats.architecture, files, outputs,
        licence=licence, authors=publisher.authors, tags=publisher.tags,
    )  # fmt: skip
    rdf["config"] = {"zooscope": ours(trained, measured, with_decoder=operation is None)}
    return {**files, "rdf.yaml": yaml_bytes(rdf)}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip whose bytes depend on the files alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _DATE), files[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def refuse_unwritable(output: Path) -> None:
    """UsageError before minutes of work end at a folder that takes no file."""
    if output.suffix != ".zip":
        raise UsageError(f"{output}: a package is a file that ends in .zip")
    nearest = next(folder for folder in output.absolute().parents if folder.exists())
    if output.is_dir() or not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise UsageError(f"{output}: no file can be written there")


def refuse_invalid(files: Mapping[str, bytes]) -> None:
    """ZooscopeError for a package that the spec does not take."""
    with tempfile.TemporaryDirectory() as name:
        _, found = validate(_written(files, Path(name) / "package"))
    errors = [finding.text for finding in found if finding.level == "error"]
    if errors:
        raise ZooscopeError(f"the package would not be valid: {'; '.join(errors)}")


def _written(files: Mapping[str, bytes], folder: Path) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


class _Plain(yaml.SafeDumper):
    """Without anchors, which not every consumer's parser knows."""

    def ignore_aliases(self, data: object) -> bool:
        """Always."""
        return True


def yaml_bytes(rdf: Mapping[str, object]) -> bytes:
    """A description as rdf.yaml."""
    return yaml.dump(rdf, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120).encode()


def npy_bytes(array: NDArray[np.generic]) -> bytes:
    """A test tensor as .npy."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
