"""Tar archives from elsewhere, plain or gzipped: read member by member, nothing in them is ever unpacked to disk.

Members are wanted in any order, which gzip cannot give: a gzipped archive is first written out as a plain one, into a
file without a name that is gone when the archive is closed.
"""

import gzip
import tarfile
import tempfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from zooscope.cache import cache_folder
from zooscope.data.archive import MAX_BYTES, MAX_MEMBERS, MAX_RATIO
from zooscope.errors import DataError

_BLOCK = 2**20


@dataclass(frozen=True)
class Tar:
    """An open archive whose members were looked over; only regular files count.

    Attributes
    ----------
    filename : where it lies.
    """

    filename: str
    _archive: tarfile.TarFile
    _members: dict[str, tarfile.TarInfo]

    def namelist(self) -> list[str]:
        """Names of all regular files."""
        return list(self._members)

    def open(self, name: str) -> IO[bytes]:
        """A member as a seekable file; the caller closes it."""
        stream = self._archive.extractfile(self._members[name])
        assert stream is not None, "regular files have content"
        return stream

    def read(self, name: str) -> bytes:
        """A member's content."""
        with self.open(name) as stream:
            return stream.read()


@contextmanager
def open_tar(path: Path, *, max_bytes: int = MAX_BYTES) -> Generator[Tar]:
    """A tar, gzipped or not.

    Raises
    ------
    DataError : not a tar, truncated, damaged, a member that would climb out of its folder, two members of one name, or
        sizes that only a bomb has: more than `max_bytes` in all.
    """
    try:
        with path.open("rb") as stream, tempfile.TemporaryFile(dir=cache_folder("data")) as plain:
            zipped = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            if zipped:
                _inflate(stream, plain, path, max_bytes=max_bytes)
            with tarfile.open(fileobj=plain if zipped else stream, mode="r:") as archive:
                yield Tar(str(path), archive, _look_over(archive, path))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: not a whole tar archive ({error}); delete it and fetch again") from error


def _inflate(stream: IO[bytes], plain: IO[bytes], path: Path, *, max_bytes: int) -> None:
    limit = min(max_bytes, MAX_RATIO * max(path.stat().st_size, _BLOCK))
    with gzip.GzipFile(fileobj=stream) as unzipped:
        while block := unzipped.read(_BLOCK):
            if plain.tell() + len(block) > limit:
                raise DataError(f"{path}: unpacks to more than {limit} bytes; refused")
            plain.write(block)
    plain.seek(0)


def _look_over(archive: tarfile.TarFile, path: Path) -> dict[str, tarfile.TarInfo]:
    """Regular files by name."""
    found: dict[str, tarfile.TarInfo] = {}
    for count, member in enumerate(archive):
        name = PurePosixPath(member.name.replace("\\", "/"))
        if count >= MAX_MEMBERS:
            raise DataError(f"{path}: has more than {MAX_MEMBERS} members; refused")
        if name.is_absolute() or ".." in name.parts or ":" in member.name:
            raise DataError(f"{path}: member '{member.name}' would climb out of its folder; refused")
        if not member.isreg():
            continue
        if str(name) in found:
            raise DataError(f"{path}: has two members '{member.name}'; refused")
        found[str(name)] = member
    return found
