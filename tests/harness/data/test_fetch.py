"""Downloads: verified, whole or not there, from the mirror first."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pooch
import pytest

from zooscope.bundled import bundled
from zooscope.data.card import Card, Source, load_card
from zooscope.data.fetch import fetch, forget
from zooscope.errors import DataError

CONTENT = b"".join(file.read_bytes() for file in sorted((bundled("datasets") / "demo" / "images").iterdir()))
"""Half a megabyte of real image files."""

SHA256 = hashlib.sha256(CONTENT).hexdigest()

FETCH = """
import sys
from zooscope.data.card import Card
from zooscope.data.fetch import fetch
fetch(Card.model_validate_json(sys.argv[1]), progress=bool(sys.argv[2]))
"""

Make = Callable[..., Card]


@pytest.fixture
def make_card(server: Any, fresh_cache: Path, write_card: Callable[..., Path]) -> Make:
    """A card of one source `/own/a.zip` on the test's server, with an empty cache."""

    def make(**keys: Any) -> Card:
        source = {"file": "a.zip", "url": server.url("/own/a.zip"), "sha256": SHA256, **keys}
        return load_card(write_card(sources=[{key: value for key, value in source.items() if value is not None}]))

    return make


def downloads(cache: Path) -> list[str]:
    """What lies in the folder of downloads, but for the lock."""
    folder = cache / "downloads" / "tiny"
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock") if folder.is_dir() else []


def refused(card: Card, cache: Path) -> str:
    """What fetch says when it fails: one line; nothing is left."""
    with pytest.raises(DataError) as error:
        fetch(card, progress=False)
    assert downloads(cache) == []
    assert "\n" not in str(error.value)
    return str(error.value)


def half(handler: BaseHTTPRequestHandler) -> None:
    """Announce all, send half, hang up."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[: len(CONTENT) // 2])
    handler.close_connection = True


def half_of_unknown(handler: BaseHTTPRequestHandler) -> None:
    """Half of a body in chunks, as GitHub sends its archives: no length, no last chunk."""
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    part = CONTENT[: len(CONTENT) // 2]
    handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
    handler.close_connection = True


def test_a_source_is_downloaded_once(server: Any, make_card: Make, fresh_cache: Path):
    server.files["/own/a.zip"] = CONTENT
    for _ in range(2):
        files = fetch(make_card(), progress=False)
        assert files == {"a.zip": fresh_cache / "downloads" / "tiny" / "a.zip"}
        assert files["a.zip"].read_bytes() == CONTENT
    assert server.requested == ["/own/a.zip"]
    assert downloads(fresh_cache) == ["a.zip"]


@pytest.mark.parametrize("progress", [True, False])
def test_the_address_is_told_on_stderr_only_where_progress_is_asked_for(server: Any, make_card: Make, progress: bool):
    server.files["/own/a.zip"] = CONTENT
    done = subprocess.run(
        [sys.executable, "-c", FETCH, make_card(sha256=None).model_dump_json(), "progress" * progress],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == ""
    assert "known_hash" not in done.stderr
    assert (server.url("/own/a.zip") in done.stderr) == progress
    assert bool(done.stderr) == progress


def test_another_content_than_the_cards_is_refused(server: Any, make_card: Make, fresh_cache: Path):
    server.files["/own/a.zip"] = CONTENT[:-1] + b"\0"
    text = refused(make_card(), fresh_cache)
    assert "data set 'tiny': a.zip could not be fetched" in text
    assert SHA256 in text
    assert hashlib.sha256(CONTENT[:-1] + b"\0").hexdigest() in text


@pytest.mark.parametrize("status", [404, 403, 500, 503])
def test_an_answer_without_the_file_is_told_with_the_remedy(
    server: Any, make_card: Make, fresh_cache: Path, status: int
):
    server.files["/own/a.zip"] = status
    text = refused(make_card(), fresh_cache)
    assert str(status) in text
    assert server.url("/own/a.zip") in text
    assert f"Put the file at {fresh_cache / 'downloads' / 'tiny' / 'a.zip'}" in text
    assert "ZOOSCOPE_MIRROR at a folder that holds tiny/a.zip" in text


def test_the_remedies_help(server: Any, make_card: Make, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch):
    card = make_card()
    refused(card, fresh_cache)
    mirrored = fresh_cache.parent / "mirror" / "tiny" / "a.zip"
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(CONTENT)
    monkeypatch.setenv("ZOOSCOPE_MIRROR", str(mirrored.parents[1]))
    assert fetch(card) == {"a.zip": mirrored}
    monkeypatch.delenv("ZOOSCOPE_MIRROR")
    put = mirrored.rename(fresh_cache / "downloads" / "tiny" / "a.zip")
    assert fetch(card) == {"a.zip": put}
    assert len(server.requested) == 1


def test_no_route_is_told(make_card: Make, fresh_cache: Path):
    text = refused(make_card(url="http://127.0.0.1:9/a.zip"), fresh_cache)
    assert "refused" in text
    assert "ZOOSCOPE_MIRROR" in text


@pytest.mark.parametrize("answer", [half, half_of_unknown])
@pytest.mark.parametrize("sha256", [SHA256, None])
def test_a_connection_that_breaks_leaves_no_half_file(
    server: Any, make_card: Make, fresh_cache: Path, answer: Callable[..., None], sha256: str | None
):
    server.files["/own/a.zip"] = answer
    refused(make_card(sha256=sha256), fresh_cache)
    server.files["/own/a.zip"] = CONTENT
    assert fetch(make_card(sha256=sha256), progress=False)["a.zip"].read_bytes() == CONTENT


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_process_killed_in_mid_download_leaves_nothing_that_passes_for_whole(
    server: Any, make_card: Make, fresh_cache: Path
):
    released = threading.Event()

    def half_then_wait(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[: len(CONTENT) // 2])
        released.wait(30)
        handler.close_connection = True

    server.files["/own/a.zip"] = half_then_wait
    card = make_card(sha256=None)  # nothing but atomicity protects such a source
    child = subprocess.Popen([sys.executable, "-c", FETCH, card.model_dump_json(), ""])
    folder = fresh_cache / "downloads" / "tiny"
    deadline = time.monotonic() + 60
    try:
        while not any(path.stat().st_size > 100_000 for path in folder.glob(".writing-*/*")):
            assert child.poll() is None, "the download ended"
            assert time.monotonic() < deadline, "the download did not start"
            time.sleep(0.02)
        assert not (folder / "a.zip").exists()
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        released.set()
    assert downloads(fresh_cache) == [".writing-a.zip"]
    server.files["/own/a.zip"] = CONTENT
    assert fetch(card, progress=False)["a.zip"].read_bytes() == CONTENT
    assert downloads(fresh_cache) == ["a.zip"]


def test_a_disk_that_is_full_leaves_no_half_file_and_is_told_as_such(
    server: Any, make_card: Make, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, chunk: bytes) -> None:
            if self.file.tell() > 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.file.write(chunk)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    server.files["/own/a.zip"] = CONTENT
    with monkeypatch.context() as patch:
        patch.setattr(pooch.HTTPDownloader, "__init__", small_chunks)
        patch.setattr(pooch.downloaders, "open", lambda *how: Full(open(*how)), raising=False)  # noqa: PTH123, SIM115
        text = refused(make_card(), fresh_cache)
    assert os.strerror(errno.ENOSPC) in text
    assert "ZOOSCOPE_CACHE" in text
    assert fetch(make_card(), progress=False)["a.zip"].read_bytes() == CONTENT


def small_chunks(self: pooch.HTTPDownloader, progressbar: bool = False, **kwargs: Any) -> None:
    """Stands in for HTTPDownloader.__init__: a download in several writes."""
    self.kwargs, self.progressbar, self.chunk_size = kwargs, progressbar, 10_000


def test_a_cache_that_cannot_be_made_is_told(make_card: Make, fresh_cache: Path):
    fresh_cache.write_text("a file, not a folder")
    with pytest.raises(DataError, match=r"cannot be made .*; point ZOOSCOPE_CACHE at a folder"):
        fetch(make_card(), progress=False)


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_mirrors_url_is_tried_before_the_sources_own(
    server: Any, make_card: Make, monkeypatch: pytest.MonkeyPatch, slash: str
):
    monkeypatch.setenv("ZOOSCOPE_MIRROR", server.url("/mirror") + slash)
    server.files |= {"/mirror/tiny/a.zip": CONTENT, "/own/a.zip": 500}
    assert fetch(make_card(), progress=False)["a.zip"].read_bytes() == CONTENT
    assert server.requested == ["/mirror/tiny/a.zip"]


@pytest.mark.parametrize("answer", [404, b"something else", half])
def test_where_the_mirror_has_not_the_file_the_source_is_asked(
    server: Any, make_card: Make, monkeypatch: pytest.MonkeyPatch, answer: int | bytes | Callable[..., None]
):
    monkeypatch.setenv("ZOOSCOPE_MIRROR", server.url("/mirror"))
    server.files |= {"/mirror/tiny/a.zip": answer, "/own/a.zip": CONTENT}
    assert fetch(make_card(), progress=False)["a.zip"].read_bytes() == CONTENT
    assert server.requested == ["/mirror/tiny/a.zip", "/own/a.zip"]


def test_where_both_fail_both_are_told(
    server: Any, make_card: Make, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ZOOSCOPE_MIRROR", server.url("/mirror"))
    text = refused(make_card(), fresh_cache)
    assert server.url("/mirror/tiny/a.zip") in text
    assert server.url("/own/a.zip") in text


def test_a_mirrors_file_is_read_in_place_and_never_deleted(
    server: Any, make_card: Make, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    mirrored = fresh_cache.parent / "mirror" / "tiny" / "a.zip"
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(b"damaged")
    monkeypatch.setenv("ZOOSCOPE_MIRROR", str(mirrored.parents[1]))
    card = make_card()
    assert f"mirror file {mirrored}: sha256 is " in refused(card, fresh_cache)
    forget(card, card.sources[0])
    assert mirrored.read_bytes() == b"damaged"
    assert server.requested == []


def test_a_mirror_without_the_file_is_passed_over(
    server: Any, make_card: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ZOOSCOPE_MIRROR", str(tmp_path))
    server.files["/own/a.zip"] = CONTENT
    assert fetch(make_card(), progress=False)["a.zip"].read_bytes() == CONTENT


def test_a_download_that_changed_since_is_refused(server: Any, make_card: Make, fresh_cache: Path):
    server.files["/own/a.zip"] = CONTENT
    file = fetch(make_card(), progress=False)["a.zip"]
    file.write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=r"sha256 is .*, the card says .*; delete the file and fetch again"):
        fetch(make_card(), progress=False)


def test_every_source_of_a_card_is_fetched(server: Any, make_card: Make):
    card = make_card(sha256=None)
    sources = tuple(Source(file=name, url=server.url(f"/own/{name}")) for name in ("a.zip", "b.csv"))
    server.files |= {"/own/a.zip": b"zip", "/own/b.csv": b"csv"}
    files = fetch(card.model_copy(update={"sources": sources}), progress=False)
    assert {name: file.read_bytes() for name, file in files.items()} == {"a.zip": b"zip", "b.csv": b"csv"}
