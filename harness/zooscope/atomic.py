"""Files and folders that are either whole or not there."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`; a reader sees the old file or the new one, never a part."""
    with new_file(path) as building:
        building.write_bytes(content)


@contextlib.contextmanager
def new_file(path: Path) -> Generator[Path]:
    """A temporary file that becomes `path` when the block ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix=path.suffix)
    os.close(handle)
    try:
        yield Path(name)
        _readable(Path(name), 0o666)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a full disk names no file
            error.filename = str(path)
        raise


def write_text(path: Path, content: str) -> None:
    """`write_bytes` for text, UTF-8 with Unix line ends."""
    write_bytes(path, content.encode("utf-8"))


@contextlib.contextmanager
def new_folder(path: Path) -> Generator[Path]:
    """A temporary folder that becomes `path` when the block ends well, and vanishes when it does not.

    What stood at `path` before is replaced as a whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=path.parent, prefix=".writing-"))
    try:
        yield building
        _readable(building, 0o777)
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=".writing-"))
            path.replace(old / path.name)
            try:
                building.replace(path)
            except BaseException:
                (old / path.name).replace(path)
                shutil.rmtree(old, ignore_errors=True)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            building.replace(path)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what a killed process left half-written in `folder`. Call it only while holding the folder's lock."""
    for leftover in folder.glob(".writing-*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _readable(path: Path, mode: int) -> None:
    """Give a temporary file (made for its owner alone) the permissions that an ordinary one has here."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(mode & ~umask)
