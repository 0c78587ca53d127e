"""Files and folders are whole or not there, whatever happens while they are written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zooscope import atomic


def test_bytes_are_written_with_the_folders_on_the_way(tmp_path: Path):
    path = tmp_path / "a" / "b" / "c.bin"
    atomic.write_bytes(path, b"\0\1")
    assert path.read_bytes() == b"\0\1"
    assert [file.name for file in path.parent.iterdir()] == ["c.bin"]


def test_text_is_utf8_with_unix_line_ends(tmp_path: Path):
    atomic.write_text(tmp_path / "a.txt", "µm\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc2\xb5m\n"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        atomic.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_names_the_file_that_it_could_not_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left") as caught:
        atomic.write_bytes(tmp_path / "a.bin", b"1")
    assert caught.value.filename == str(tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_files_and_folders_get_the_permissions_of_ordinary_ones(tmp_path: Path):
    before = os.umask(0o027)
    try:
        atomic.write_text(tmp_path / "file", "x")
        with atomic.new_folder(tmp_path / "folder"):
            pass
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750


def test_a_folder_appears_only_when_its_block_ends(tmp_path: Path):
    path = tmp_path / "deep" / "folder"
    with atomic.new_folder(path) as building:
        (building / "a.txt").write_text("whole")
        assert not path.exists()
    assert (path / "a.txt").read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_replaces_the_old_one_as_a_whole(tmp_path: Path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old.txt").write_text("old")
    with atomic.new_folder(path) as building:
        (building / "new.txt").write_text("new")
        assert (path / "old.txt").is_file()
    assert [file.name for file in path.iterdir()] == ["new.txt"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("reason", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_folder_and_nothing_else(tmp_path: Path, reason: type[BaseException]):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old.txt").write_text("old")

    def fail() -> None:
        with atomic.new_folder(path) as building:
            (building / "half.txt").write_text("half")
            raise reason

    with pytest.raises(reason):
        fail()
    assert [file.name for file in path.iterdir()] == ["old.txt"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old.txt").write_text("old")
    rename = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if Path(target) == path and (self / "new.txt").exists():
            raise PermissionError(13, "a scanner holds a file open")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError), atomic.new_folder(path) as building:
        (building / "new.txt").write_text("new")
    assert [file.name for file in path.iterdir()] == ["old.txt"]
    assert list(tmp_path.iterdir()) == [path]


def test_sweep_removes_what_a_killed_process_left_and_nothing_else(tmp_path: Path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept.txt").write_text("kept")
    killed = (
        "import os, sys; from pathlib import Path; from zooscope import atomic\n"
        "with atomic.new_folder(Path(sys.argv[1]) / 'new') as building:\n"
        "    (building / 'half.txt').write_text('half')\n"
        "    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", killed, tmp_path], check=False).returncode == 9
    (tmp_path / ".writing-file").write_text("half")
    assert len(list(tmp_path.iterdir())) == 4
    atomic.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "kept.txt"]
