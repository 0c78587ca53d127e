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


@contextmanager
def open_zip(path: Path) -> Generator[zipfile.ZipFile]:
    """A zip whose members were looked over first.

    Raises
    ------
    DataError : not a zip, truncated, damaged (also while it is read inside the block), encrypted, a member that
        would climb out of its folder, a link, or sizes that only a bomb has.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _look_over(archive, path)
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


def _look_over(archive: zipfile.ZipFile, path: Path) -> None:
    total = packed = 0
    for member in archive.infolist():
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in member.filename:
            raise DataError(f"{path}: member '{member.filename}' would climb out of its folder; refused")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"{path}: member '{member.filename}' is a link; refused")
        if member.flag_bits & 0x1:
            raise DataError(f"{path}: member '{member.filename}' is encrypted; refused")
        total, packed = total + member.file_size, packed + member.compress_size
    if total > MAX_BYTES or total > MAX_RATIO * max(packed, 2**20):
        raise DataError(f"{path}: claims to unpack from {packed} to {total} bytes; refused")
