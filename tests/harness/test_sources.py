"""Packages from everywhere: fetched once, verified, used offline afterwards; what breaks leaves nothing behind."""

import contextlib
import hashlib
import io
import shutil
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml

from zooscope.contender import contender
from zooscope.errors import PackageError, UsageError
from zooscope.package import open_package
from zooscope.sources import find_package

MakePackage = Callable[..., Path]


@pytest.fixture(autouse=True)
def _offline(fresh_cache: Path) -> None:
    """An empty cache and no mirror."""


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def serve_folder(server: Any, path: Path, at: str, query: str = "") -> str:
    """Puts a package's files on the server, and returns the URL of its description."""
    server.files |= {f"{at}/{name}{query}": content for name, content in members(path).items()}
    return server.url(f"{at}/rdf.yaml{query}")


def test_zip_folder_and_description_are_the_same_package(make_package: MakePackage):
    path, folder = make_package(), make_package(folder=True)
    assert find_package(str(path)) == path
    assert find_package(folder) == folder
    assert find_package(folder / "rdf.yaml") == folder
    assert open_package(folder).digest == open_package(path).digest


def test_a_zip_at_a_url_is_fetched_once_and_used_offline(server: Any, make_package: MakePackage):
    path = make_package()
    server.files["/a/tiny.zip"] = path.read_bytes()
    found = find_package(server.url("/a/tiny.zip"))
    assert (found.name, found.read_bytes()) == ("tiny.zip", path.read_bytes())
    server.files.clear()
    assert find_package(server.url("/a/tiny.zip")) == found
    assert server.requested == ["/a/tiny.zip"]
    assert contender(server.url("/a/tiny.zip")).name == "tiny"


def test_a_zip_under_another_name_is_known_by_its_content(server: Any, make_package: MakePackage):
    server.files["/artifacts/tiny/create-zip-file?version=2"] = make_package().read_bytes()
    found = find_package(server.url("/artifacts/tiny/create-zip-file?version=2"))
    assert found.suffix == ".zip"
    assert open_package(found).name == "tiny"


def test_a_stated_digest_is_held_against_what_comes(server: Any, make_package: MakePackage):
    content = make_package().read_bytes()
    server.files["/tiny.zip"] = content
    digest = hashlib.sha256(content).hexdigest()
    assert find_package(server.url(f"/tiny.zip#sha256={digest}")).is_file()
    with pytest.raises(PackageError, match=r"cannot be fetched: .*hash"):
        find_package(server.url(f"/tiny.zip#sha256={'0' * 64}"))


def test_a_description_at_a_url_brings_the_files_beside_it(server: Any, make_package: MakePackage):
    path = make_package()
    url = serve_folder(server, path, "/zoo/tiny")
    found = find_package(url)
    assert (found.name, found.is_dir()) == ("tiny", True)
    assert open_package(found).digest == open_package(path).digest
    assert "/zoo/tiny/cover.png" not in server.requested, "only what running it takes"
    server.files.clear()
    assert find_package(url) == found


@pytest.mark.parametrize("version", [None, "1.2"])
def test_an_id_of_bioimage_io_is_found_in_its_collection(
    server: Any, make_package: MakePackage, monkeypatch: pytest.MonkeyPatch, version: str | None
):
    pattern = server.url("/bioimage-io/artifacts/{bioimageio_id}/files/rdf.yaml")
    monkeypatch.setenv("BIOIMAGEIO_COLLECTION_HTTP_PATTERN", pattern)
    path = make_package()
    query = f"?version={version}" if version else ""
    serve_folder(server, path, "/bioimage-io/artifacts/affable-shark/files", query)
    name = f"affable-shark/{version}" if version else "affable-shark"
    found = find_package(name)
    assert found.name == name.replace("/", "-")
    assert open_package(found).digest == open_package(path).digest
    server.files.clear()
    assert find_package(name) == found


def test_the_collections_address_is_that_of_bioimageio_spec():
    from bioimageio.spec._internal._settings import Settings

    from zooscope.sources import COLLECTION

    assert Settings.model_fields["collection_http_pattern"].default == COLLECTION


def test_the_mirror_comes_before_the_network(
    server: Any, make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "mirror" / "packages").mkdir(parents=True)
    monkeypatch.setenv("ZOOSCOPE_MIRROR", str(tmp_path / "mirror"))
    for name in ("affable-shark.zip", "tiny.zip"):
        shutil.copy(make_package(), tmp_path / "mirror" / "packages" / name)
    assert find_package("affable-shark") == tmp_path / "mirror" / "packages" / "affable-shark.zip"
    assert find_package(server.url("/zoo/tiny.zip")) == tmp_path / "mirror" / "packages" / "tiny.zip"
    assert server.requested == []


def test_a_mirror_at_a_url_is_tried_too(server: Any, make_package: MakePackage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOOSCOPE_MIRROR", server.url("/mirror"))
    server.files["/mirror/packages/affable-shark.zip"] = make_package().read_bytes()
    found = find_package("affable-shark")
    server.files.clear()
    assert find_package("affable-shark") == found
    assert open_package(found).name == "affable-shark"


@pytest.mark.parametrize("kind", ["zip", "folder", "description"])
def test_weights_at_a_url_are_fetched_and_verified(server: Any, make_package: MakePackage, kind: str):
    plain = make_package(at="plain.zip")
    server.files["/weights/weights.pt?download=1"] = members(plain)["weights.pt"]

    def remote(rdf: dict[str, Any]) -> None:
        rdf["weights"]["torchscript"]["source"] = server.url("/weights/weights.pt?download=1")

    path = make_package(edit=remote, folder=kind != "zip", files={"weights.pt": None})
    found = find_package(path / "rdf.yaml" if kind == "description" else path)
    package = open_package(found)
    assert package.name == "sigmoid"
    assert package.digest == open_package(plain).digest
    server.files.clear()
    assert find_package(path) == found


def test_other_weights_than_the_description_states_are_refused_and_nothing_is_left(
    server: Any, make_package: MakePackage, fresh_cache: Path
):
    def remote(rdf: dict[str, Any]) -> None:
        rdf["weights"]["torchscript"]["source"] = server.url("/weights.pt")

    server.files["/weights.pt"] = b"something else"
    path = make_package(edit=remote, files={"weights.pt": None})
    with pytest.raises(PackageError, match=r"cannot be fetched: .*weights\.pt: .*hash"):
        find_package(path)
    left = [path for path in (fresh_cache / "packages").rglob("*") if path.is_file() and path.name != ".lock"]
    assert left == []


def test_a_download_that_breaks_off_leaves_nothing_and_works_the_next_time(
    server: Any, make_package: MakePackage, fresh_cache: Path
):
    path = make_package()
    url = serve_folder(server, path, "/zoo/tiny")
    weights = server.files.pop("/zoo/tiny/weights.pt")

    def broken(answer: Any) -> None:
        answer.send_response(200)
        answer.send_header("Content-Length", str(len(weights)))
        answer.end_headers()
        answer.wfile.write(weights[:100])

    for served in (404, 503, broken):
        server.files["/zoo/tiny/weights.pt"] = served
        found = contender(url)
        assert str(found.reason).startswith("cannot be fetched: ")
        left = [path for path in (fresh_cache / "packages").rglob("*") if path.is_file() and path.name != ".lock"]
        assert left == []
    server.files["/zoo/tiny/weights.pt"] = weights
    assert open_package(find_package(url)).digest == open_package(path).digest


def test_what_cannot_be_reached_costs_its_row_alone(server: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BIOIMAGEIO_COLLECTION_HTTP_PATTERN", server.url("/{bioimageio_id}/files/rdf.yaml"))
    found = contender("lonely-otter/2")
    assert (found.name, len(found.digest)) == ("lonely-otter-2", 64)
    assert str(found.reason).startswith(
        f"cannot be fetched: {server.url('/lonely-otter/files/rdf.yaml?version=2')}: 404"
    )


@pytest.mark.parametrize("name", ["../outside.pt", "/etc/outside.pt", "a/../../outside.pt", "c:/outside.pt"])
def test_a_description_cannot_write_outside_its_folder(
    server: Any, make_package: MakePackage, fresh_cache: Path, name: str
):
    def escape(rdf: dict[str, Any]) -> None:
        rdf["weights"]["torchscript"]["source"] = name

    url = serve_folder(server, make_package(edit=escape), "/zoo/tiny")
    with pytest.raises(PackageError, match="lies outside the package; refused"):
        find_package(url)
    assert not list(fresh_cache.rglob("outside.pt"))


def test_what_is_no_description_is_a_reason(server: Any):
    server.files["/zoo/tiny/rdf.yaml"] = b"<html>Sign in</html>"
    with pytest.raises(PackageError, match="its description is of type 'str', not 'model'"):
        find_package(server.url("/zoo/tiny/rdf.yaml"))


def test_code_at_a_url_of_format_0_4_is_fetched_too(server: Any, make_package: MakePackage):
    code = b"import torch\n\n\ndef Net():\n    return torch.nn.Identity()\n"
    import torch

    buffer = io.BytesIO()
    torch.save({}, buffer)
    server.files |= {"/net.py": code}

    def state_dict(rdf: dict[str, Any]) -> None:
        rdf["weights"]["pytorch_state_dict"] = {
            "source": "state.pth",
            "architecture": server.url("/net.py") + ":Net",
            "architecture_sha256": hashlib.sha256(code).hexdigest(),
        }

    path = make_package(spec="0.4.9", edit=state_dict, files={"state.pth": buffer.getvalue()})
    package = open_package(find_package(path))
    assert package.choose_weights("pytorch_state_dict", trust=True) == "pytorch_state_dict"
    assert package.python("pytorch_state_dict")[0].startswith("Net of ")
    written = yaml.safe_load((find_package(path) / "rdf.yaml").read_text())
    assert "://" not in written["weights"]["pytorch_state_dict"]["architecture"]


def test_a_mistyped_name_of_a_shipped_model_is_not_asked_of_the_network(server: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BIOIMAGEIO_COLLECTION_HTTP_PATTERN", server.url("/{bioimageio_id}"))
    with pytest.raises(UsageError, match="'nuclei-tinny' does not exist"):
        find_package("nuclei-tinny")
    assert server.requested == []


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Announce no length and send more than anyone wants."""
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        for _ in range(64):
            handler.wfile.write(bytes(2**20))
    handler.close_connection = True


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_above_the_limit_is_broken_off_and_leaves_nothing(
    server: Any, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch, announced: bool
):
    monkeypatch.setenv("ZOOSCOPE_DOWNLOAD_LIMIT_GIB", str(1 / 1024))
    server.files["/a.zip"] = bytes(2**20 + 1) if announced else endless
    with pytest.raises(PackageError) as error:
        find_package(server.url("/a.zip"))
    limit = "has more than 0.000976562 GiB, the limit of a package's files; ZOOSCOPE_DOWNLOAD_LIMIT_GIB allows more"
    assert limit in str(error.value)
    assert "\n" not in str(error.value)
    assert [path.name for path in fresh_cache.rglob("*") if path.is_file() and path.name != ".lock"] == []


def test_weights_above_the_limit_cost_the_package_and_a_file_at_the_limit_none(
    server: Any, make_package: MakePackage, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    content = make_package().read_bytes()
    server.files["/tiny.zip"] = content
    monkeypatch.setenv("ZOOSCOPE_DOWNLOAD_LIMIT_GIB", repr((len(content) - 1) / 2**30))
    assert "the limit of a package's files" in str(contender(server.url("/tiny.zip")).reason)
    monkeypatch.setenv("ZOOSCOPE_DOWNLOAD_LIMIT_GIB", repr(len(content) / 2**30))
    assert find_package(server.url("/tiny.zip")).read_bytes() == content


@pytest.mark.parametrize("told", ["much", "0", "-1", "nan", "inf"])
def test_a_limit_that_is_no_size_is_wrong_use(server: Any, monkeypatch: pytest.MonkeyPatch, told: str):
    monkeypatch.setenv("ZOOSCOPE_DOWNLOAD_LIMIT_GIB", told)
    with pytest.raises(UsageError, match=f"ZOOSCOPE_DOWNLOAD_LIMIT_GIB={told}: a number of GiB above 0 is expected"):
        find_package(server.url("/a.zip"))
