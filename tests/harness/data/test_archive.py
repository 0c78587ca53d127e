"""Archives from elsewhere: looked over before a byte is used, and never unpacked to disk."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest
import tifffile

from zooscope.bundled import bundled
from zooscope.data.archive import open_zip
from zooscope.errors import DataError

DEMO = bundled("datasets") / "demo" / "images"


@pytest.fixture
def real_zip(tmp_path: Path) -> Path:
    """Three TIFF files of the demo set, deflated."""
    path = tmp_path / "real.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(DEMO.iterdir())[:3]:
            archive.write(file, f"images/{file.name}")
    return path


def read_all(path: Path) -> dict[str, bytes]:
    with open_zip(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def refused(path: Path) -> str:
    """What is said of an archive that is not used: one line with its path; nothing was written beside it."""
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(DataError) as error:
        read_all(path)
    assert sorted(path.parent.rglob("*")) == before
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


def patch_directory(path: Path, offset: int, value: int, layout: str) -> None:
    """Overwrite a field of every member in the archive's central directory."""
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\1\2")
    while at >= 0:
        struct.pack_into(layout, content, at + offset, value)
        at = content.find(b"PK\1\2", at + 4)
    path.write_bytes(content)


def test_a_whole_archive_is_read(real_zip: Path):
    assert read_all(real_zip) == {f"images/{file.name}": file.read_bytes() for file in sorted(DEMO.iterdir())[:3]}


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "..\\evil.png", "a\\..\\..\\evil.png", "\\evil.png",
             "C:\\evil.png", "C:/evil.png", "C:evil.png", "//server/share/evil.png"]
)  # fmt: skip
def test_a_member_that_would_climb_out_is_refused(tmp_path: Path, name: str):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images/good.png", b"x")
        archive.writestr(name, b"x")
    assert "would climb out of its folder; refused" in refused(path)


def test_two_dots_inside_a_name_are_no_climb(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("images/a..b.png", b"x")
    assert read_all(tmp_path / "a.zip") == {"images/a..b.png": b"x"}


def test_a_link_is_refused(tmp_path: Path):
    link = zipfile.ZipInfo("images/link.png")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "member 'images/link.png' is a link; refused" in refused(tmp_path / "a.zip")


def test_an_encrypted_member_is_refused(real_zip: Path):
    patch_directory(real_zip, 8, 1, "<H")
    assert "is encrypted; refused" in refused(real_zip)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_truncated_archive_is_refused(real_zip: Path, keep: float):
    content = real_zip.read_bytes()
    real_zip.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    assert "not a whole zip archive" in refused(real_zip)


def test_what_is_no_zip_is_refused_with_the_remedy(tmp_path: Path):
    (tmp_path / "a.zip").write_text("<html>Sign in to the conference wifi</html>")
    text = refused(tmp_path / "a.zip")
    assert "not a whole zip archive" in text
    assert "delete it and fetch again" in text


def test_an_archive_that_is_not_there_is_refused(tmp_path: Path):
    assert refused(tmp_path / "a.zip").endswith("no such file")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("part", [0.0, 0.5], ids=["its start", "its middle"])
def test_a_damaged_member_is_refused(tmp_path: Path, method: int, part: float):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.raw", tifffile.imread(sorted(DEMO.iterdir())[0]).tobytes())
        start = archive.start_dir - archive.getinfo("a.raw").compress_size
    content = bytearray(path.read_bytes())
    at = start + int(part * (len(content) - start))
    content[at : at + 100] = b"\xff" * 100
    path.write_bytes(content)
    assert "not a whole zip archive" in refused(path)


def test_a_compression_that_nobody_knows_is_refused(real_zip: Path):
    patch_directory(real_zip, 10, 99, "<H")
    assert "compression" in refused(real_zip)


@pytest.mark.parametrize("claim", [0xFFFFFFF0, 0x20000000], ids=["one member", "three members together"])
def test_a_bomb_is_refused(real_zip: Path, claim: int):
    patch_directory(real_zip, 24, claim, "<L")
    assert f"to {3 * claim} bytes; refused" in refused(real_zip)


def test_an_archive_beyond_all_sizes_is_refused_however_well_it_is_packed(real_zip: Path):
    patch_directory(real_zip, 20, 0x7FFFFFFF, "<L")
    patch_directory(real_zip, 24, 0xFFFFFFF0, "<L")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zooscope.data.archive.MAX_BYTES", 2**33)
        assert "claims to unpack" in refused(real_zip)


def test_constant_pixels_are_no_bomb(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("black.tif", bytes(5_000_000))
    assert read_all(tmp_path / "a.zip") == {"black.tif": bytes(5_000_000)}


def test_an_error_of_the_reader_itself_passes_through(real_zip: Path):
    with pytest.raises(KeyError, match="here"), open_zip(real_zip):
        raise KeyError("here")


def test_two_members_of_one_name_are_refused(tmp_path: Path):
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", b"one")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.txt", b"two")
        archive.writestr("./a.txt", b"three")
    assert "has two members 'a.txt'; refused" in refused(path)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path):
    """A bomb without nesting: the directory of an archive names one member's bytes many times."""
    path = tmp_path / "shared.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "abc":
            archive.writestr(name, bytes(2**22))
        first = archive.infolist()[0]
        for info in archive.infolist()[1:]:
            info.header_offset, info.compress_size = first.header_offset, path.stat().st_size // 2 + first.compress_size
        archive.NameToInfo = {}
    assert "claims to unpack from" in refused(path)


def test_no_more_is_unpacked_than_allowed(real_zip: Path):
    total = sum(len(content) for content in read_all(real_zip).values())
    with open_zip(real_zip, max_bytes=total):
        pass
    with pytest.raises(DataError, match=f"to {total} bytes; refused"), open_zip(real_zip, max_bytes=total - 1):
        pass
