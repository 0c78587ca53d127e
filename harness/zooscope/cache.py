"""Where zooscope keeps what it can make again: downloads, decoded data sets, predictions."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from zooscope import atomic
from zooscope.errors import DataError


def cache_folder(*parts: str) -> Path:
    """A folder inside the cache, made if need be: `ZOOSCOPE_CACHE`, else the user's cache folder.

    Raises
    ------
    DataError : the folder cannot be made.
    """
    root = os.environ.get("ZOOSCOPE_CACHE")
    if root:
        base = Path(root).expanduser()
    else:
        import pooch  # pyright: ignore[reportMissingTypeStubs]

        base = Path(pooch.os_cache("zooscope"))
    folder = base.joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"cache {folder} cannot be made ({reason}); point ZOOSCOPE_CACHE at a folder of yours"
        ) from error
    return folder


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold `folder` for this process: a second process waits; what a killed one left half-written is swept."""
    from filelock import FileLock

    with FileLock(folder / ".lock"):
        atomic.sweep(folder)
        yield
