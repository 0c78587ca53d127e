"""Tar archives: read whole or not at all, whatever they claim."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from zooscope.bundled import bundled
from zooscope.data.tar import open_tar
from zooscope.errors import DataError

DEMO = sorted((bundled("datasets") / "demo" / "images").iterdir())


@pytest.fixture(params=["w", "w:gz"])
def packed(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "a.tar"
    with tarfile.open(path, request.param) as archive:
        for file in DEMO:
            archive.add(file, arcname=f"demo/{file.name}")
    return path


def write(path: Path, *members: tarfile.TarInfo, content: bytes = b"x") -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    return path


def refused(path: Path, **limits: int) -> str:
    with pytest.raises(DataError) as error, open_tar(path, **limits) as archive:
        [archive.read(name) for name in archive.namelist()]
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_members_are_read_in_any_order_gzipped_or_not(packed: Path):
    with open_tar(packed) as archive:
        assert archive.namelist() == [f"demo/{file.name}" for file in DEMO]
        for file in reversed(DEMO):
            assert archive.read(f"demo/{file.name}") == file.read_bytes()


def test_a_truncated_archive_is_refused(packed: Path):
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    assert "not a whole tar archive" in refused(packed)


def test_what_is_no_tar_is_refused(tmp_path: Path):
    (tmp_path / "a.tar").write_text("<html>Google Drive can't scan this file for viruses.</html>" * 100)
    assert "not a whole tar archive" in refused(tmp_path / "a.tar")


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "a/../../b.png", "C:/a.png"])
def test_members_that_would_climb_out_are_refused(tmp_path: Path, name: str):
    assert "would climb out of its folder" in refused(write(tmp_path / "a.tar", tarfile.TarInfo(name)))


def test_two_members_of_one_name_are_refused(tmp_path: Path):
    twice = [tarfile.TarInfo("a.png"), tarfile.TarInfo("a.png")]
    assert "has two members 'a.png'" in refused(write(tmp_path / "a.tar", *twice))


def test_links_are_no_files(tmp_path: Path):
    link = tarfile.TarInfo("passwd")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with open_tar(write(tmp_path / "a.tar", link, tarfile.TarInfo("a.png"))) as archive:
        assert archive.namelist() == ["a.png"]


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(bytes(2**22)))
    assert "unpacks to more than 1048576 bytes" in refused(path, max_bytes=2**20)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    assert "no such file" in refused(tmp_path / "absent.tar")
