"""The files of a package, wherever they lie: in a zip or in a folder; its description as plain YAML."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from zooscope.data.archive import open_zip
from zooscope.errors import DataError, PackageError
from zooscope.runkey import digest_of

RDF_NAMES = ("rdf.yaml", "bioimageio.yaml", "model.yaml")


class PackageFiles:
    """The files of a package, zip or folder, by their names inside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            self.names = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]
        elif path.is_file():
            with _reason(path), open_zip(path) as archive:
                self.names = archive.namelist()
        else:
            raise PackageError("no such file or folder")

    def read(self, name: str) -> bytes:
        if name not in self.names:
            raise PackageError(f"'{name}' is named in its description but is not in the package")
        if self.path.is_dir():
            return (self.path / name).read_bytes()
        with _reason(self.path), open_zip(self.path) as archive:
            return archive.read(name)

    def rdf_name(self) -> str:
        for name in RDF_NAMES:
            if name in self.names:
                return name
        raise PackageError(f"not a BioImage.IO package: none of {', '.join(RDF_NAMES)} is in it")


def read_rdf(files: PackageFiles) -> dict[str, Any]:
    """A model's description as it was written; PackageError where it is none."""
    try:
        rdf = yaml.safe_load(files.read(files.rdf_name()))
    except yaml.YAMLError as error:
        raise PackageError(f"its description is not YAML ({' '.join(str(error).split())[:300]})") from error
    if not isinstance(rdf, dict) or rdf.get("type") != "model":
        found = rdf.get("type") if isinstance(rdf, dict) else type(rdf).__name__
        raise PackageError(f"its description is of type '{found}', not 'model'")
    return rdf


def read_card(files: PackageFiles, rdf: Mapping[str, Any]) -> str | None:
    """The model card: text of the documentation that a description names; None where that is not in the package."""
    named = rdf.get("documentation")
    name = str(named.get("source") if isinstance(named, Mapping) else named).removeprefix("./")
    return files.read(name).decode("utf-8", errors="replace") if name in files.names else None


def file_digest(path: Path) -> str:
    """Digest of a package that cannot be opened: over the bytes of its files, wherever they lie."""
    try:
        files = PackageFiles(path)
        return digest_of({name: hashlib.sha256(files.read(name)).hexdigest() for name in sorted(files.names)})
    except PackageError:
        return hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()


class _reason:  # noqa: N801  reads as a statement
    """Turn an archive's error into a package's reason, without the path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DataError):
            raise PackageError(str(error).removeprefix(f"{self._path}: ").partition("; delete")[0]) from error
