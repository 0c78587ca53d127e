"""Gets a card's source files: from the mirror, the cache of downloads, or the source itself, verified."""

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

from zooscope import atomic
from zooscope.cache import cache_folder, locked
from zooscope.data.card import Card, Source
from zooscope.errors import DataError


def fetch(card: Card, *, progress: bool = True) -> dict[str, Path]:
    """Path of every source file of a card, downloaded if need be.

    A folder named by `ZOOSCOPE_MIRROR` is read in place; a URL there is tried before the source's own.

    Raises
    ------
    DataError : no route to the source, a full disk, or a file whose sha256 is not the card's.
    """
    return {source.file: _fetch(card, source, progress=progress) for source in card.sources}


def forget(card: Card, source: Source) -> None:
    """Drop a download that turned out to hold the wrong thing; a mirror's file is not ours to delete."""
    (cache_folder("downloads", card.id) / source.file).unlink(missing_ok=True)


def _fetch(card: Card, source: Source, *, progress: bool) -> Path:
    mirror = os.environ.get("ZOOSCOPE_MIRROR", "")
    if mirror and not mirror.startswith(("http://", "https://")):
        file = Path(mirror).expanduser() / card.id / source.file
        if file.is_file():
            _verify(file, source, where=f"mirror file {file}")
            return file
    folder = cache_folder("downloads", card.id)
    target = folder / source.file
    with locked(folder):
        if target.is_file():
            _verify(target, source, where=f"download {target}")
            return target
        urls = [source.url]
        if mirror.startswith(("http://", "https://")):
            urls.insert(0, f"{mirror.rstrip('/')}/{card.id}/{source.file}")
        failures = [download(url, target, source.sha256, progress=progress) for url in urls if not target.is_file()]
    if not target.is_file():
        raise DataError(
            f"data set '{card.id}': {source.file} could not be fetched: {'; '.join(str(f) for f in failures)}. "
            f"Put the file at {target}, or point ZOOSCOPE_MIRROR at a folder that holds {card.id}/{source.file}"
        )
    return target


def download(url: str, target: Path, sha256: str | None, *, progress: bool = True) -> str | None:
    """Download to `target`, whole and of that sha256, or say why that failed; nothing is left behind then."""
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


def _verify(file: Path, source: Source, *, where: str) -> None:
    if source.sha256 is None:
        return
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != source.sha256:
        raise DataError(f"{where}: sha256 is {found}, the card says {source.sha256}; delete the file and fetch again")
