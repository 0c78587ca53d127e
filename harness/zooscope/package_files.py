"""The files of a package, wherever they lie: in a zip or in a folder; its description as plain YAML.

All of it is a stranger's: nothing is read that lies outside the package, and nothing larger than a package can need.
"""

import hashlib
import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.bounded_yaml import MAX_BYTES as MAX_RDF_BYTES
from zooscope.bounded_yaml import load_bounded
from zooscope.data.archive import open_zip
from zooscope.errors import DataError, PackageError
from zooscope.runkey import digest_of
from zooscope.tensor_sizes import refuse_absurd_sizes

RDF_NAMES = ("rdf.yaml", "bioimageio.yaml", "model.yaml")

MAX_BYTES = 16 * 2**30
"""Of all files of a package together; the largest of the zoo have about one gigabyte."""

MAX_CARD_BYTES = 2**20
MAX_ARRAY_BYTES = 2**31
"""Of a test tensor."""

_FILE_KEYS = (
    "covers",
    "documentation",
    "files",
    "test_inputs",
    "test_outputs",
    "sample_inputs",
    "sample_outputs",
)
"""Keys whose plain strings are names of files."""

_CHUNK = 2**20


class PackageFiles:
    """The files of a package, zip or folder, by their names inside it.

    Raises
    ------
    PackageError : no package, an archive that is damaged or hostile, or a link that leads out of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            found = [p for p in path.rglob("*") if p.is_file()]
            root = path.resolve()
            for file in found:
                if not file.resolve().is_relative_to(root):
                    name = file.relative_to(path).as_posix()
                    raise PackageError(f"'{name}' is a link out of the package; put the file itself there")
            self._sizes = {p.relative_to(path).as_posix(): p.stat().st_size for p in found}
        elif path.is_file():
            with _reason(path), open_zip(path, max_bytes=MAX_BYTES) as archive:
                self._sizes = {member.filename: member.file_size for member in archive.infolist()}
        else:
            raise PackageError("no such file or folder")
        self.names = list(self._sizes)

    def read(self, name: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        """Content of a file; PackageError where it is not there, or larger than `max_bytes`."""
        if self._size(name) > max_bytes:
            raise PackageError(f"'{name}' has {self._size(name)} bytes; at most {max_bytes} are read")
        return b"".join(self._chunks(name))

    def sha256(self, name: str) -> tuple[str, int]:
        """sha256 of a file and its size in bytes, without holding it in memory."""
        digest, size = hashlib.sha256(), self._size(name)
        for chunk in self._chunks(name):
            digest.update(chunk)
        return digest.hexdigest(), size

    def array_shape(self, name: str) -> tuple[int, ...]:
        """Shape that the header of an .npy file tells; nothing is made of so large an array, nor of pickled objects.

        Raises
        ------
        PackageError : no such file. ValueError : no .npy file of numbers.
        """
        return self._header(name)[0]

    def array(self, name: str) -> NDArray[np.generic]:
        """The array of an .npy file; errors as of `array_shape`, and ValueError where it is smaller than it says."""
        shape, dtype = self._header(name)
        if math.prod(shape) * dtype.itemsize > min(self._size(name), MAX_ARRAY_BYTES):
            raise ValueError(f"it claims the shape {shape} of {dtype} in {self._size(name)} bytes")
        return np.load(io.BytesIO(self.read(name)), allow_pickle=False)

    def _header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        start = io.BytesIO(next(self._chunks(name), b""))
        version = np.lib.format.read_magic(start)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(start)
        if dtype.hasobject:
            raise ValueError("it holds Python objects")
        return shape, dtype

    def rdf_name(self) -> str:
        """Name of the description; PackageError where there is none, or bioimageio.spec would take another one."""
        name = next((name for name in RDF_NAMES if name in self.names), None)
        if name is None:
            raise PackageError(f"not a BioImage.IO package: none of {', '.join(RDF_NAMES)} is in it")
        # spec 0.5.12 takes the first by name of all that are called so or end so, before the next name
        others = [other for other in sorted(self.names) if other == name or other.endswith(f".{name}")]
        if others[0] != name:
            raise PackageError(f"has two descriptions, '{name}' and '{others[0]}'; keep one")
        return name

    def _size(self, name: str) -> int:
        if name not in self._sizes:
            raise PackageError(f"'{name}' is named in its description but is not in the package")
        return self._sizes[name]

    def _chunks(self, name: str) -> Iterator[bytes]:
        self._size(name)
        if self.path.is_dir():
            with (self.path / name).open("rb") as file:
                yield from iter(lambda: file.read(_CHUNK), b"")
            return
        with _reason(self.path), open_zip(self.path, max_bytes=MAX_BYTES) as archive, archive.open(name) as file:
            yield from iter(lambda: file.read(_CHUNK), b"")


def read_rdf(files: PackageFiles) -> dict[str, Any]:
    """A model's description as it was written.

    Raises
    ------
    PackageError : no description of a model, one too large to be one, or one that names files outside the package or
        sizes that no image has.
    """
    try:
        rdf = load_bounded(files.read(files.rdf_name(), max_bytes=MAX_RDF_BYTES))
    except ValueError as error:
        raise PackageError(f"its description {error}") from error
    if not isinstance(rdf, dict) or rdf.get("type") != "model":
        found = rdf.get("type") if isinstance(rdf, dict) else type(rdf).__name__
        raise PackageError(f"its description is of type '{str(found)[:100]}', not 'model'")
    for name, _ in named_files(rdf):
        _refuse_outside(name)
    refuse_absurd_sizes(rdf)
    return rdf


def named_files(rdf: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Names of files in a description, with their digests where it tells them; `config` is its author's own affair."""
    for key, value in rdf.items():
        if key != "config":
            yield from _named(value, str(key))


def read_card(files: PackageFiles, rdf: Mapping[str, Any]) -> str | None:
    """The model card: text of the documentation that a description names; None where that is not in the package."""
    named = rdf.get("documentation")
    name = str(named.get("source") if isinstance(named, Mapping) else named).removeprefix("./")
    if name not in files.names:
        return None
    return files.read(name, max_bytes=MAX_CARD_BYTES).decode("utf-8", errors="replace")


def file_digest(path: Path) -> str:
    """Digest of a package that cannot be opened: over the bytes of its files, wherever they lie."""
    try:
        files = PackageFiles(path)
        return digest_of({name: files.sha256(name)[0] for name in sorted(files.names)})
    except PackageError:
        if not path.is_file():
            return hashlib.sha256(b"").hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _named(part: Any, key: str) -> Iterator[tuple[str, object]]:
    if isinstance(part, Mapping):
        if isinstance(part.get("source"), str):
            yield part["source"], part.get("sha256")
        for name, value in part.items():
            yield from _named(value, str(name))
    elif isinstance(part, list):
        for value in part:
            yield from _named(value, key)
    elif isinstance(part, str) and key in _FILE_KEYS:
        yield part, None


def _refuse_outside(name: str) -> None:
    """PackageError for a file outside the package, by path or by a URL that is none of the web."""
    scheme = name.partition("://")[0].lower() if "://" in name else ""
    if scheme in ("http", "https"):
        return
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    outside = posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if scheme or outside:
        raise PackageError(f"its description names '{name[:100]}', which lies outside the package; refused")


@contextmanager
def _reason(path: Path) -> Iterator[None]:
    """Turn an archive's error into a package's reason, without the path."""
    try:
        yield
    except DataError as error:
        raise PackageError(str(error).removeprefix(f"{path}: ").partition("; delete")[0]) from error
