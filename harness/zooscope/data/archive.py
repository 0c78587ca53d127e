"""Zip archives from elsewhere, read in memory: nothing in them is ever unpacked to disk."""

import lzma
import stat
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from zooscope.errors import DataError

MAX_BYTES = 64 * 2**30
"""No archive may claim to unpack to more than this."""

MAX_RATIO = 1000
"""Deflate reaches about 1030:1 on constant bytes; an archive beyond this as a whole is a bomb."""


MAX_MEMBERS = 1_000_000


@contextmanager
def open_zip(path: Path, *, max_bytes: int = MAX_BYTES) -> Generator[zipfile.ZipFile]:
    """A zip whose members were looked over first.

    Raises
    ------
    DataError : not a zip, truncated, damaged (also while it is read inside the block), encrypted, a member that
        would climb out of its folder, a link, two members of one name, or sizes that only a bomb has: more than
        `max_bytes` in all.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            look_over(archive, path, archive_bytes=path.stat().st_size, max_bytes=max_bytes)
            yield archive
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path}: not a whole zip archive ({error}); delete it and fetch again") from error
    except NotImplementedError as error:
        raise DataError(f"{path}: {error}") from error
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError(f"{path}: not a whole zip archive ({error}); delete it and fetch again") from error  # bzip2's


def look_over(archive: zipfile.ZipFile, source: object, *, archive_bytes: int, max_bytes: int = MAX_BYTES) -> None:
    """DataError, which names `source`, where an archive of so many bytes has members that only a hostile one has."""
    total = packed = 0
    names: set[str] = set()
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise DataError(f"{source}: has {len(members)} members; refused")
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in member.filename:
            raise DataError(f"{source}: member '{member.filename}' would climb out of its folder; refused")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"{source}: member '{member.filename}' is a link; refused")
        if member.flag_bits & 0x1:
            raise DataError(f"{source}: member '{member.filename}' is encrypted; refused")
        if str(name) in names:
            raise DataError(f"{source}: has two members '{member.filename}'; refused")
        names.add(str(name))
        total, packed = total + member.file_size, packed + member.compress_size
    # members that share their bytes make a bomb of another kind
    if total > max_bytes or total > MAX_RATIO * max(packed, 2**20) or packed > archive_bytes:
        raise DataError(f"{source}: claims to unpack from {min(packed, archive_bytes)} to {total} bytes; refused")
