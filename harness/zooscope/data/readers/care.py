"""CARE's volumes: `train_data/data_label.npz` with patches X and Y, `test_data/` with GT and three conditions as TIFF.

Samples are planes. What was imaged at once is a volume, so planes of one volume share its group.
"""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from zooscope.data.archive import look_over
from zooscope.data.card import Card
from zooscope.data.members import decode_member, member_named, members_in
from zooscope.data.tar import Tar, open_tar
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image

CONDITIONS = ("condition_1", "condition_2", "condition_3")

VALIDATION = 0.1
"""Share of the patches, the last ones, that validate, as in CSBDeep's `load_training_data`."""


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """The middle plane of each patch trains or validates, every plane of the volumes tests."""
    for path in files.values():
        with open_tar(path) as archive:
            name = member_named(archive, "data_label.npz")
            try:
                with archive.open(name) as stream, zipfile.ZipFile(stream) as npz:
                    look_over(npz, f"{path}: {name}", archive_bytes=stream.seek(0, 2))
                    yield from _patches(npz, source=f"{path}: {name}")
            except zipfile.BadZipFile as error:
                raise DataError(f"{path}: {name} is not a whole npz ({error})") from error
            yield from _volumes(archive)


def _patches(npz: zipfile.ZipFile, *, source: str) -> Iterator[tuple[Sample, str]]:
    lacking = {"X.npy", "Y.npy"} - set(npz.namelist())
    if lacking:
        raise DataError(f"{source}: has no {min(lacking)}")
    with npz.open("X.npy") as noisy, npz.open("Y.npy") as clean:
        shapes = [_header(stream, source=source) for stream in (noisy, clean)]
        (shape, _), (other, _) = shapes
        if shape != other or len(shape) != 5 or shape[1] != 1:
            raise DataError(f"{source}: X {shape} and Y {other}; (patch, 1, z, y, x) of both is expected")
        first = shape[0] - round(VALIDATION * shape[0])
        for number in range(shape[0]):
            image, truth = (
                np.frombuffer(_exactly(stream, shape, kind, source), kind).reshape(shape[2:])[shape[2] // 2]
                for stream, (_, kind) in zip((noisy, clean), shapes, strict=True)
            )
            id = f"patch-{number:05}"
            split = "validation" if number >= first else "train"
            yield Sample(id, as_image(image, axes="yx", source=id), truth, "patches", "patches"), split


def _header(stream: IO[bytes], *, source: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of an .npy file, which is then at its first value."""
    try:
        version = np.lib.format.read_magic(stream)
        head = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = head(stream)
    except ValueError as error:
        raise DataError(f"{source}: not an array ({error})") from error
    if fortran or dtype.hasobject:
        raise DataError(f"{source}: an array of {dtype}, Fortran order {fortran}; numbers in C order are expected")
    return shape, dtype


def _exactly(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], source: str) -> bytes:
    """The bytes of the next patch."""
    size = int(np.prod(shape[1:])) * dtype.itemsize
    content = stream.read(size)
    if len(content) != size:
        raise DataError(f"{source}: is cut short; delete the file and fetch again")
    return content


def _volumes(archive: Tar) -> Iterator[tuple[Sample, str]]:
    truths = members_in(archive, "test_data/GT", suffixes=(".tif",))
    if not truths:
        raise DataError(f"{archive.filename}: holds no test_data/GT/*.tif")
    for name in truths:
        volume = PurePosixPath(name)
        truth = decode_member(archive, name, suffix=".tif")
        for condition in CONDITIONS:
            member = str(volume.parent.with_name(condition) / volume.name)
            if member not in archive.namelist():
                raise DataError(f"{archive.filename}: {member} is missing")
            noisy = decode_member(archive, member, suffix=".tif")
            _check(noisy, truth, source=f"{archive.filename}: {member}")
            for z, (plane, clean) in enumerate(zip(noisy, truth, strict=True)):
                id = f"{volume.stem}-{condition}-z{z:03}"
                yield Sample(id, as_image(plane, axes="yx", source=id), clean, volume.stem, condition), "test"


def _check(noisy: NDArray[np.generic], truth: NDArray[np.generic], *, source: str) -> None:
    if noisy.ndim != 3 or noisy.shape != truth.shape:
        raise DataError(f"{source}: {noisy.shape}, and its truth {truth.shape}; (z, y, x) of both is expected")
