"""Gets a card's source files: from the mirror, the cache of downloads, or the source itself, verified."""

import errno
import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from zooscope import atomic
from zooscope.cache import cache_folder, locked
from zooscope.data.card import Card, Source
from zooscope.errors import DataError, UsageError

LIMIT_GIB = "ZOOSCOPE_DOWNLOAD_LIMIT_GIB"


def fetch(card: Card, *, progress: bool = True) -> dict[str, Path]:
    """Path of every source file of a card, downloaded if need be.

    A folder named by `ZOOSCOPE_MIRROR` is read in place; a URL there is tried before the source's own.

    Raises
    ------
    DataError : no route to the source, a full disk, or a file whose sha256 is not the card's.
    """
    return {source.file: _fetch(card, source, progress=progress) for source in card.sources}


def forget(card: Card, source: Source) -> None:
    """Drop a download that turned out to hold the wrong thing; what a mirror or a person gave is not ours to delete."""
    if source.by_hand:
        return
    (cache_folder("downloads", _folder(card, source)) / source.file).unlink(missing_ok=True)


def _fetch(card: Card, source: Source, *, progress: bool) -> Path:
    mirror, home = os.environ.get("ZOOSCOPE_MIRROR", ""), _folder(card, source)
    if mirror and not mirror.startswith(("http://", "https://")):
        file = Path(mirror).expanduser() / home / source.file
        if file.is_file():
            _verify(file, source, where=f"mirror file {file}")
            return file
    folder = cache_folder("downloads", home)
    target = folder / source.file
    with locked(folder):
        if target.is_file():
            _verify(target, source, where=f"download {target}")
            return target
        urls = [] if source.by_hand else [source.url]
        if mirror.startswith(("http://", "https://")):
            urls.insert(0, f"{mirror.rstrip('/')}/{home}/{source.file}")
        failures = [download(url, target, source.sha256, progress=progress) for url in urls if not target.is_file()]
    if not target.is_file():
        why = [f"{source.by_hand}: get it from {source.url}"] if source.by_hand else []
        raise DataError(
            f"data set '{card.id}': {source.file} could not be fetched: {'; '.join([*map(str, failures), *why])}. "
            f"Put the file at {target}, or point ZOOSCOPE_MIRROR at a folder that holds {home}/{source.file}"
        )
    return target


def _folder(card: Card, source: Source) -> str:
    return source.folder or card.id


def download_limit() -> int:
    """The most bytes that a file of a package may have: 4 GiB, or `ZOOSCOPE_DOWNLOAD_LIMIT_GIB`.

    Raises
    ------
    UsageError : a value that is no number above 0.
    """
    told = os.environ.get(LIMIT_GIB, "4")
    try:
        limit = float(told)
    except ValueError:
        limit = math.nan
    if not 0 < limit < math.inf:
        raise UsageError(f"{LIMIT_GIB}={told}: a number of GiB above 0 is expected")
    return math.ceil(limit * 2**30)


def download(
    url: str, target: Path, sha256: str | None, *, progress: bool = True, max_bytes: int | None = None
) -> str | None:
    """Download to `target`, whole and of that sha256, or say why that failed; nothing is left behind then.

    Parameters
    ----------
    max_bytes : what is announced or turns out to be larger is broken off.
    """
    import pooch  # pyright: ignore[reportMissingTypeStubs]
    from rich.console import Console

    pooch.get_logger().setLevel("WARNING")  # it would tell our users to pass a `known_hash`
    if progress:
        Console(stderr=True).print(f"downloading {url}", soft_wrap=True, highlight=False, markup=False)
    partial = target.parent / f".writing-{target.name}"
    known = f"sha256:{sha256}" if sha256 else None
    try:
        partial.mkdir(exist_ok=True)
        downloader: Any = pooch.HTTPDownloader(progressbar=progress, timeout=60)
        if max_bytes is not None:
            downloader = _bounded(downloader, max_bytes)
        done = pooch.retrieve(  # pyright: ignore[reportUnknownMemberType]
            url, known_hash=known, fname=target.name, path=partial, downloader=downloader
        )
        Path(done).replace(target)
    except Exception as error:  # requests, urllib3, OSError and ValueError (hash) all end up as the reason
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "free some space or point ZOOSCOPE_CACHE at another disk"
            raise DataError(f"{target}: cannot be written ({error.strerror}); {remedy}") from error
        return f"{url}: {' '.join(str(error).split()) or type(error).__name__}"
    finally:
        atomic.sweep(target.parent)
    return None


def _bounded(downloader: Any, max_bytes: int) -> Callable[[str, str, Any], None]:
    """The downloader, which asks no further where a file has more bytes."""
    reason = f"has more than {max_bytes / 2**30:g} GiB, the limit of a package's files; {LIMIT_GIB} allows more"

    def refuse_announced(response: Any, **_: object) -> None:
        if int(response.headers.get("content-length", 0)) > max_bytes:
            raise ValueError(reason)

    def run(url: str, output_file: str, pooch: Any) -> None:
        downloader.kwargs["hooks"] = {"response": refuse_announced}
        with Path(output_file).open("wb") as file:
            downloader(url, _Counting(file, max_bytes, reason), pooch)

    return run


class _Counting:
    """A file that takes so many bytes and no more: a server need not announce how many come."""

    def __init__(self, file: BinaryIO, left: int, reason: str) -> None:
        self._file, self._left, self._reason = file, left, reason

    def write(self, chunk: bytes) -> int:
        self._left -= len(chunk)
        if self._left < 0:
            raise ValueError(self._reason)
        return self._file.write(chunk)

    def flush(self) -> None:
        self._file.flush()


def _verify(file: Path, source: Source, *, where: str) -> None:
    if source.sha256 is None:
        return
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != source.sha256:
        raise DataError(f"{where}: sha256 is {found}, the card says {source.sha256}; delete the file and fetch again")
