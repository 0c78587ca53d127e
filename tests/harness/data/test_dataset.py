"""Data sets by card: what dsb2018 holds, what the cache is for, and what is never used."""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pooch
import pytest

from zooscope import imagefile
from zooscope.bundled import bundled
from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope.data.readers.dsb2018 import stratum
from zooscope.errors import DataError
from zooscope.sample import Sample

WriteCard = Callable[..., Path]


@pytest.fixture(scope="module")
def walked(dsb2018: Dataset) -> dict[str, tuple[int, str]]:
    """Id -> objects and stratum of every image of dsb2018, in one pass."""
    return {s.id: (len(np.unique(s.target[s.target > 0])), stratum(s.image.values, s.target)) for s in dsb2018}


def test_dsb2018_has_664_images_and_28986_objects(dsb2018: Dataset, walked: dict[str, tuple[int, str]]):
    assert len(dsb2018) == len(walked) == 664
    assert sum(objects for objects, _ in walked.values()) == 28_986
    assert min(objects for objects, _ in walked.values()) >= 1


def test_dsb2018_is_split_500_65_99_with_fluorescence_408_52_81(dsb2018: Dataset):
    table = dsb2018.table
    assert table["split"].value_counts().to_dict() == {"train": 500, "validation": 65, "test": 99}
    fluorescence = table[["fluorescence" in dsb2018.card.subset_of(stratum) for stratum in table["stratum"]]]
    assert fluorescence["split"].value_counts().to_dict() == {"train": 408, "validation": 52, "test": 81}
    assert {name for stratum in table["stratum"] for name in dsb2018.card.subset_of(stratum)} == set(
        dsb2018.card.subsets
    )
    for split, count in (("train", 500), ("validation", 65), ("test", 99)):
        assert len(dsb2018.only(split)) == count


def test_dsb2018_holds_what_its_card_says(dsb2018: Dataset):
    assert dsb2018.digest == dsb2018.card.digest
    assert dsb2018.name == "dsb2018@1"


def test_no_field_of_dsb2018_is_in_two_splits(dsb2018: Dataset):
    for into in dsb2018.splits:
        for source in set(dsb2018.splits) - {into}:
            assert dsb2018.leaks(into=into, source=source) == []
    assert dsb2018.table.groupby("group")["split"].nunique().max() == 1


def test_every_stratum_of_dsb2018_is_what_the_readers_rule_says(dsb2018: Dataset, walked: dict[str, tuple[int, str]]):
    assert dsb2018.table["stratum"].to_dict() == {id: rule for id, (_, rule) in walked.items()}


def test_the_second_load_of_dsb2018_needs_no_source(dsb2018: Dataset, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked for the source again")

    monkeypatch.delenv("ZOOSCOPE_MIRROR")
    monkeypatch.setattr(pooch, "retrieve", refuse)
    monkeypatch.setattr("zooscope.data.dataset.fetch", refuse)
    again = load_dataset("dsb2018", split="test")
    assert again.digest == dsb2018.digest
    assert len(again) == 99


def test_the_demo_set_is_part_of_dsb2018(dsb2018: Dataset, demo: Dataset):
    for sample in demo:
        original = dsb2018[sample.id]
        np.testing.assert_array_equal(sample.image.values, original.image.values)
        np.testing.assert_array_equal(sample.target, original.target)
        assert (sample.group, sample.stratum) == (original.group, original.stratum)
        assert demo.table.loc[sample.id, "split"] == dsb2018.table.loc[sample.id, "split"]


def test_the_demo_set_is_as_its_card_describes_it(demo: Dataset):
    assert Counter(demo.table["split"]) == {"test": 10, "validation": 3}
    assert Counter(name for stratum in demo.table["stratum"] for name in demo.card.subset_of(stratum)) == {
        "fluorescence": 10,
        "histology": 3,
    }
    assert demo.ids == sorted(demo.ids)
    assert demo.leaks(source="validation") == []
    for sample in demo:
        assert sample.stratum == stratum(sample.image.values, sample.target)
        assert sample.target.shape == sample.image.shape[:2]


def test_a_leak_is_an_image_whose_group_is_also_in_the_other_split(demo: Dataset, tmp_path: Path):
    first, second, third = list(demo)[:3]
    field = {"group": "one field"}
    pairs = [
        (Sample(**{**vars(first), **field}), "train"),
        (Sample(**{**vars(second), **field}), "test"),
        (third, "test"),
    ]
    write_folder(tmp_path / "leaky", pairs)
    assert load_dataset(tmp_path / "leaky").leaks() == [second.id]
    assert load_dataset(tmp_path / "leaky").leaks(into="train", source="test") == [first.id]


def test_the_id_of_a_card_comes_before_a_folder_of_that_name(
    own_folder: Callable[..., Path], demo: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    own_folder(1, at="demo")
    monkeypatch.chdir(tmp_path)
    assert load_dataset("demo").digest == demo.digest
    assert load_dataset("./demo").ids == ["a"]
    assert load_dataset(Path("demo")).ids == ["a"]


def test_pixel_sizes_and_digests_survive_the_way_through_a_folder(demo: Dataset, tmp_path: Path):
    samples = [Sample(**{**vars(sample), "pixel_size_um": 0.325}) for sample in demo]
    digest = write_folder(tmp_path / "new", [(s, str(demo.table.loc[s.id, "split"])) for s in reversed(samples)])
    new = load_dataset(tmp_path / "new")
    assert digest == new.digest == demo.digest
    assert [sample.pixel_size_um for sample in new] == [0.325] * 13


@pytest.fixture
def mask_zip(tmp_path: Path, demo: Dataset) -> Path:
    """Two demo images in the layout of dsb2018, a mask an object, where a mirror has them for the card `tiny`."""
    path = tmp_path / "mirror" / "tiny" / "a.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for sample in list(demo)[:2]:
            archive.writestr(f"top/{sample.id}/images/{sample.id}.png", imagecodecs.png_encode(sample.image.values))
            for label in range(1, sample.target.max() + 1):
                mask = ((sample.target == label) * 255).astype(np.uint8)
                archive.writestr(f"top/{sample.id}/masks/{label:03}.png", imagecodecs.png_encode(mask))
    return path


@pytest.fixture
def tiny(server: Any, fresh_cache: Path, mask_zip: Path, demo: Dataset, write_card: WriteCard) -> Callable[..., Path]:
    """Writes a card whose source is that archive on the test's server; the table is the demo set's."""
    table = bundled("datasets") / "splits" / "dsb2018.csv"
    ids = demo.ids[:2]
    rows = [line for line in table.read_text().splitlines() if line.split(",")[0] in ("id", *ids)]
    (mask_zip.parents[2] / "split.csv").write_text("\n".join(rows) + "\n")
    server.files["/a.zip"] = mask_zip.read_bytes()

    def write(**changes: Any) -> Path:
        keys = {
            "reader": "dsb2018",
            "split_table": "split.csv",
            "splits": {"train": "", "validation": "", "test": ""},
            "sources": [{"file": "a.zip", "url": server.url("/a.zip")}],
        }
        return write_card("tiny", **{**keys, **changes})

    return write


def left(cache: Path) -> list[str]:
    """Every file in a cache but for locks."""
    files = (path for path in cache.rglob("*") if path.is_file() and path.name != ".lock")
    return sorted(path.relative_to(cache).as_posix() for path in files)


def refused(card: Path) -> str:
    with pytest.raises(DataError) as error:
        load_dataset(str(card), progress=False)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_an_archive_is_fetched_decoded_and_read_from_the_cache(server: Any, tiny: WriteCard, demo: Dataset):
    dataset = load_dataset(str(tiny()), progress=False)
    assert dataset.ids == demo.ids[:2]
    for sample in dataset:
        np.testing.assert_array_equal(sample.target, demo[sample.id].target)
        np.testing.assert_array_equal(sample.image.values, demo[sample.id].image.values)
        assert sample.group == demo[sample.id].group
    del server.files["/a.zip"]
    again = load_dataset(str(tiny()), progress=False)
    assert again.digest == dataset.digest
    assert load_dataset(str(tiny(digest=dataset.digest)), progress=False).digest == dataset.digest
    assert server.requested == ["/a.zip"]


def test_content_with_another_digest_than_the_cards_is_refused_and_goes(
    server: Any, tiny: WriteCard, fresh_cache: Path
):
    right = load_dataset(str(tiny()), progress=False).digest
    shutil.rmtree(fresh_cache)
    text = refused(tiny(digest="0" * 64))
    assert f"the decoded content's digest is {right}, the card says {'0' * 64}" in text
    assert left(fresh_cache) == []
    assert not any((fresh_cache / "data").glob("tiny*"))
    assert load_dataset(str(tiny(digest=right)), progress=False).digest == right
    assert len(server.requested) == 3


def no_images(content: bytes, path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("top/README.md", "the images have moved")
    return path.read_bytes()


def one_image_less(content: bytes, path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    last = max(members).split("/")[1]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            if last not in name:
                archive.writestr(name, data)
    return path.read_bytes()


def without_masks(content: bytes, path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if "/images/" in name}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path.read_bytes()


def a_broken_png(content: bytes, path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data[: len(data) // 2] if name == max(members) else data)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content, path: content[: len(content) // 2], "not a whole zip archive"),
        (lambda content, path: b"<html>moved</html>", "not a whole zip archive"),
        (lambda content, path: content[:5000] + bytes(300) + content[5300:], "not a whole zip archive"),
        (no_images, "holds no <id>/images/*.png"),
        (one_image_less, "1 images of split.csv are missing from"),
        (without_masks, "has no masks"),
        (a_broken_png, "cannot be read as PNG"),
    ],
    ids=["truncated", "no zip", "damaged", "no images", "one image less", "no masks", "a broken PNG"],
)
def test_a_wrong_archive_is_refused_and_leaves_nothing_behind(
    server: Any, tiny: WriteCard, mask_zip: Path, fresh_cache: Path, damage: Callable[..., bytes], said: str
):
    right = mask_zip.read_bytes()
    server.files["/a.zip"] = damage(right, mask_zip)
    assert said in refused(tiny())
    assert left(fresh_cache) == []
    server.files["/a.zip"] = right
    assert len(load_dataset(str(tiny()), progress=False)) == 2


def test_a_disk_that_is_full_while_decoding_leaves_no_half_folder_and_keeps_the_download(
    server: Any, tiny: WriteCard, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    write_bytes, written = Path.write_bytes, []

    def full(self: Path, content: bytes) -> int:
        if len(written) == 2:
            write_bytes(self, content[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        written.append(self)
        return write_bytes(self, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        text = refused(tiny())
    assert len(written) == 2
    assert os.strerror(errno.ENOSPC) in text
    assert "ZOOSCOPE_CACHE" in text
    assert left(fresh_cache) == ["downloads/tiny/a.zip"]
    assert len(load_dataset(str(tiny()), progress=False)) == 2
    assert server.requested == ["/a.zip"]


def test_an_interrupted_decoding_leaves_no_half_folder(
    tiny: WriteCard, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    card = str(tiny())
    monkeypatch.setattr("zooscope.data.folder.encode_tiff", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_dataset(card, progress=False)
    assert left(fresh_cache) == ["downloads/tiny/a.zip"]


def test_a_process_killed_while_decoding_leaves_nothing_that_the_next_does_not_sweep(
    tiny: WriteCard, fresh_cache: Path
):
    code = "import os, sys; from zooscope.data import folder, load_dataset\n"
    code += "folder.encode_tiff = lambda array: os._exit(9)\n"
    code += "load_dataset(sys.argv[1], progress=False)"
    assert subprocess.run([sys.executable, "-c", code, str(tiny())], check=False).returncode == 9
    assert [path.name[:9] for path in (fresh_cache / "data").iterdir() if path.is_dir()] == [".writing-"]
    dataset = load_dataset(str(tiny()), progress=False)
    assert len(dataset) == 2
    assert [path for path in (fresh_cache / "data").iterdir() if path.is_dir()] == [dataset.folder]


@pytest.mark.parametrize("part", ["images", "masks"])
def test_a_pixel_that_changed_in_the_cache_is_found_when_its_sample_is_loaded(
    tiny: WriteCard, demo: Dataset, part: str
):
    dataset = load_dataset(str(tiny()), progress=False)
    file = dataset.folder / part / f"{demo.ids[0]}.tif"
    array = imagefile.read_array(file).copy()
    array[5, 5] ^= 1
    file.write_bytes(imagefile.encode_tiff(array))
    again = load_dataset(str(tiny()), progress=False)
    assert again[demo.ids[1]].id == demo.ids[1]
    with pytest.raises(DataError, match=f"{dataset.folder}: sample '{demo.ids[0]}' changed since its digest was taken"):
        list(again)


def test_a_table_that_changed_in_the_cache_is_found_on_load(tiny: WriteCard):
    digest = load_dataset(str(tiny()), progress=False).digest
    dataset = load_dataset(str(tiny(digest=digest)), progress=False)
    table = dataset.folder / "groups.csv"
    table.write_text(table.read_text().replace(",test,", ",train,").replace(",validation,", ",train,"))
    assert f"the card says {digest}; delete the folder" in refused(tiny(digest=digest))


def test_a_card_without_digest_is_decoded_anew_when_card_or_table_change(tiny: WriteCard, tmp_path: Path):
    first = load_dataset(str(tiny()), progress=False)
    table = tmp_path / "split.csv"
    table.write_text(table.read_text().replace(",test\n", ",train\n").replace(",validation\n", ",train\n"))
    second = load_dataset(str(tiny()), progress=False)
    assert second.splits == ["train"]
    assert second.digest != first.digest


def test_a_split_that_the_card_does_not_name_is_refused_and_the_download_stays(tiny: WriteCard, fresh_cache: Path):
    text = refused(tiny(splits={"train": "to learn from"}))
    assert "is not one of train" in text
    assert left(fresh_cache) == ["downloads/tiny/a.zip"]


def test_a_reader_that_does_not_exist_is_answered_with_the_known_ones(tiny: WriteCard):
    text = refused(tiny(reader="dsb"))
    assert "reader 'dsb' is not one of bbbc038, bbbc039, bsd68, " in text
    assert ", dsb2018, " in text


def test_a_split_table_that_is_not_there_or_lacks_columns_is_named(tiny: WriteCard, tmp_path: Path):
    assert f"{tmp_path / 'nowhere.csv'}: no such file" in refused(tiny(split_table="nowhere.csv"))
    (tmp_path / "short.csv").write_text("id,split\na,test\n")
    assert "column 'group' is missing" in refused(tiny(split_table="short.csv"))


def test_a_mirror_is_read_in_place_and_its_wrong_file_stays(
    server: Any, tiny: WriteCard, mask_zip: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ZOOSCOPE_MIRROR", str(mask_zip.parents[1]))
    before = hashlib.sha256(mask_zip.read_bytes()).hexdigest()
    assert str(mask_zip) in refused(tiny(digest="0" * 64))
    assert len(load_dataset(str(tiny()), progress=False)) == 2
    assert hashlib.sha256(mask_zip.read_bytes()).hexdigest() == before
    assert server.requested == []
    assert not (fresh_cache / "downloads" / "tiny" / "a.zip").exists()
