"""Readers, each on a small archive in its source's own layout, made of demo images."""

import csv
import hashlib
import io
import shutil
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from zooscope.bundled import bundled
from zooscope.data import Dataset, load_dataset
from zooscope.data.readers.dsb2018 import samples_with_masks, stratum
from zooscope.errors import DataError
from zooscope.sample import Sample

COLUMNS = ("ImageId", "EncodedPixels", "Height", "Width", "Usage")
Rows = list[tuple[str, str, int, int, str]]


@pytest.fixture
def mirrored(fresh_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty mirror, with an empty cache."""
    monkeypatch.setenv("ZOOSCOPE_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror").mkdir()
    return tmp_path / "mirror"


def runs(mask: np.ndarray) -> str:
    """Kaggle's definition, spelt out: pixels are numbered from 1, down the first column, then the second, ..."""
    height = mask.shape[0]
    numbers = sorted(x * height + y + 1 for y, x in zip(*np.nonzero(mask), strict=True))
    words: list[int] = []
    for number in numbers:
        if words and number == words[-2] + words[-1]:
            words[-1] += 1
        else:
            words += [number, 1]
    return " ".join(map(str, words))


def masks_of(sample: Sample) -> list[np.ndarray]:
    return [sample.target == label for label in range(1, sample.target.max() + 1)]


def rgba(sample: Sample) -> bytes:
    """A PNG as Kaggle stored all images: red, green, blue and transparency, also where the image is gray."""
    image = sample.image.values
    colour = np.stack([image] * 3, axis=-1) if image.ndim == 2 else image
    return imagecodecs.png_encode(np.concatenate([colour, np.full_like(colour[..., :1], 255)], axis=-1))


def png(mask: np.ndarray) -> bytes:
    return imagecodecs.png_encode(mask.astype(np.uint8) * 255)


def write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)


def write_solution(path: Path, rows: Rows) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def solution_of(sample: Sample, usage: str) -> Rows:
    return [(sample.id, runs(mask), *sample.target.shape, usage) for mask in masks_of(sample)]


@pytest.fixture
def bbbc038(mirrored: Path, bbbc038_sources: Path) -> Path:
    """The sources of BBBC038 where the mirror has them."""
    return Path(shutil.copytree(bbbc038_sources, mirrored / "bbbc038"))


@pytest.fixture(scope="module")
def bbbc038_sources(demo: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images with masks, three of stage1's test, four of stage2 with one ignored."""
    folder, samples = tmp_path_factory.mktemp("bbbc038"), list(demo)
    train, validation, test, ignored = samples[:4], samples[4:7], samples[7:11], samples[11]
    members = [(f"{s.id}/images/{s.id}.png", rgba(s)) for s in train]
    members += [(f"{s.id}/masks/{i:03}.png", png(mask)) for s in train for i, mask in enumerate(masks_of(s))]
    members += [(f"__MACOSX/{s.id}/images/._{s.id}.png", b"resource fork") for s in train]
    write_zip(folder / "stage1_train.zip", members)
    write_zip(folder / "stage1_test.zip", [(f"{s.id}/images/{s.id}.png", rgba(s)) for s in validation])
    write_solution(folder / "stage1_solution.csv", [row for s in validation for row in solution_of(s, "Public")])
    stage2 = [*test, ignored]
    write_zip(folder / "stage2_test_final.zip", [(f"{s.id}/images/{s.id}.png", rgba(s)) for s in stage2])
    rows = [row for s in test for row in solution_of(s, "Private")]
    rows += [(ignored.id, "1 1", *ignored.target.shape, "Ignored")]
    rows += [("ignored-and-not-even-there", "1 1", 256, 256, "Ignored")]
    write_solution(folder / "stage2_solution_final.csv", rows)
    return folder


def bbbc038_refused() -> str:
    with pytest.raises(DataError) as error:
        load_dataset("bbbc038", progress=False)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_bbbc038_gives_its_stages_as_splits_without_the_ignored(bbbc038: Path, demo: Dataset):
    dataset = load_dataset("bbbc038", progress=False)
    ids = demo.ids
    assert dataset.only("train").ids == ids[:4]
    assert dataset.only("validation").ids == ids[4:7]
    assert dataset.only("test").ids == ids[7:11]
    assert len(dataset) == 11


def test_bbbc038_gives_pixels_and_objects_back(bbbc038: Path, demo: Dataset):
    for sample in load_dataset("bbbc038", progress=False):
        original = demo[sample.id]
        assert sample.axes == original.axes
        assert sample.stratum == original.stratum
        np.testing.assert_array_equal(sample.image.values, original.image.values)
        np.testing.assert_array_equal(sample.target, original.target)


def test_bbbc038_takes_fields_from_the_group_table(bbbc038: Path, demo: Dataset):
    dataset = load_dataset("bbbc038", progress=False)
    assert {sample.id: sample.group for sample in dataset} == {id: demo[id].group for id in dataset.ids}
    assert any(group != id for id, group in dataset.table["group"].items())


def test_an_image_that_the_group_table_does_not_know_is_its_own_field(bbbc038: Path, demo: Dataset):
    stranger = Sample(**{**vars(demo[demo.ids[12]]), "id": "f" * 64})
    write_zip(bbbc038 / "stage2_test_final.zip", [(f"{stranger.id}/images/{stranger.id}.png", rgba(stranger))])
    write_solution(bbbc038 / "stage2_solution_final.csv", solution_of(stranger, "Private"))
    assert load_dataset("bbbc038", split="test", progress=False)["f" * 64].group == "f" * 64


def test_a_solution_whose_image_is_missing_is_refused(bbbc038: Path):
    with (bbbc038 / "stage1_solution.csv").open("a") as file:
        file.write("absent,1 1,256,256,Private\n")
    text = bbbc038_refused()
    assert "1 images of stage1_solution.csv are missing, the first is 'absent'" in text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("EncodedPixels", "Pixels", "column 'EncodedPixels' is missing; found ImageId, Pixels"),
        ("Private", "Ignored", "no row has Usage Private or Public"),
        (",256,256,", ",256,255,", "256x255, but the image is 256x256"),
        (",256,256,", ",tall,256,", "tallx256, but the image is 256x256"),
        (" ", " 99999 ", "run-length code does not fit an image of"),
    ],
)
def test_a_solution_that_does_not_fit_is_refused(bbbc038: Path, old: str, new: str, said: str):
    path = bbbc038 / "stage2_solution_final.csv"
    text = path.read_text()
    path.write_text(text.replace(old, new))
    assert path.read_text() != text
    assert said in bbbc038_refused()
    assert path.name in bbbc038_refused()


def test_a_solution_that_was_cut_is_refused(bbbc038: Path):
    path = bbbc038 / "stage2_solution_final.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], lines[5][:90]]))
    text = bbbc038_refused()
    assert f"{path}: line 6 is cut short" in text


def stardist_members(parts: dict[str, dict[str, Sample]]) -> list[tuple[str, bytes]]:
    """`dsb2018/<part>/{images,masks}/<id>.tif`, folders as members too."""
    members: list[tuple[str, bytes]] = [("dsb2018/", b""), ("dsb2018/train/", b"")]
    for part, samples in parts.items():
        for id, sample in reversed(samples.items()):
            for kind, array in (("images", sample.image.values), ("masks", sample.target.astype(np.uint16))):
                buffer = io.BytesIO()
                tifffile.imwrite(buffer, array)
                members.append((f"dsb2018/{part}/{kind}/{id}.tif", buffer.getvalue()))
    return members


@pytest.fixture
def stardist_card(mirrored: Path, tmp_path: Path) -> Callable[..., str]:
    """Puts an archive where the mirror has it and writes the bundled card with that archive's sha256."""

    def write(members: Iterable[tuple[str, bytes]]) -> str:
        archive = mirrored / "dsb2018-stardist" / "dsb2018.zip"
        write_zip(archive, members)
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        card = (bundled("datasets") / "dsb2018-stardist.toml").read_text()
        official = "e44921950edce378063aa4457e625581ba35b4c2dbd9a07c19d48900129f386f"
        assert official in card
        (tmp_path / "dsb2018-stardist.toml").write_text(card.replace(official, found))
        (tmp_path / "splits").mkdir(exist_ok=True)
        (tmp_path / "splits" / "dsb2018.csv").write_bytes((bundled("datasets") / "splits" / "dsb2018.csv").read_bytes())
        return str(tmp_path / "dsb2018-stardist.toml")

    return write


@pytest.fixture
def parts(demo: Dataset) -> dict[str, dict[str, Sample]]:
    """Demo images under ids of the group table: 23 in train, 5 in test, of which three share a field with train."""
    fields: dict[str, list[str]] = defaultdict(list)
    for row in csv.DictReader((bundled("datasets") / "splits" / "dsb2018.csv").open()):
        fields[row["group"]].append(row["id"])
    shared = [ids for ids in fields.values() if len(ids) >= 2][:3]
    alone = [ids[0] for ids in fields.values() if len(ids) == 1]
    train = [ids[0] for ids in shared] + alone[:20]
    test = [ids[1] for ids in shared] + alone[20:22]
    gray = [sample for sample in demo if sample.axes == "yx"]
    return {
        part: {id: gray[number % len(gray)] for number, id in enumerate(sorted(ids))}
        for part, ids in (("train", train), ("test", test))
    }


def test_stardists_pairs_give_pixels_and_objects_back(
    stardist_card: Callable[..., str], parts: dict[str, dict[str, Sample]]
):
    dataset = load_dataset(stardist_card(stardist_members(parts)), progress=False)
    assert dataset.ids == sorted([*parts["train"], *parts["test"]])
    for sample in dataset:
        original = {**parts["train"], **parts["test"]}[sample.id]
        assert sample.stratum == original.stratum
        np.testing.assert_array_equal(sample.image.values, original.image.values)
        np.testing.assert_array_equal(sample.target, original.target)


@pytest.mark.parametrize("count", [1, 3, 10, 17, 23])
def test_stardists_validation_images_are_those_of_its_examples(
    stardist_card: Callable[..., str], parts: dict[str, dict[str, Sample]], count: int
):
    some = {"train": dict(list(parts["train"].items())[:count]), "test": parts["test"]}
    dataset = load_dataset(stardist_card(stardist_members(some)), progress=False)
    # stardist/examples/2D/2_training.ipynb
    X = sorted(some["train"])  # noqa: N806
    rng = np.random.RandomState(42)
    ind = rng.permutation(len(X))
    n_val = max(1, int(round(0.15 * len(ind))))  # noqa: RUF046
    ind_train, ind_val = ind[:-n_val], ind[-n_val:]
    assert dataset.only("validation").ids == sorted(X[i] for i in ind_val)
    assert dataset.table.index[dataset.table["split"] == "train"].tolist() == sorted(X[i] for i in ind_train)
    assert dataset.only("test").ids == sorted(some["test"])


def test_stardists_leaks_are_counted_by_the_fields_of_the_group_table(
    stardist_card: Callable[..., str], parts: dict[str, dict[str, Sample]]
):
    dataset = load_dataset(stardist_card(stardist_members(parts)), progress=False)
    rows = {row["id"]: row["group"] for row in csv.DictReader((bundled("datasets") / "splits" / "dsb2018.csv").open())}
    assert dataset.table["group"].to_dict() == {id: rows[id] for id in dataset.ids}
    leaks = set(dataset.leaks(source="train")) | set(dataset.leaks(source="validation"))
    assert len(leaks) == 3
    assert leaks == {id for id in parts["test"] if rows[id] in {rows[other] for other in parts["train"]}}


def test_stardists_archive_with_another_sha256_is_refused(
    mirrored: Path, stardist_card: Callable[..., str], parts: dict[str, dict[str, Sample]]
):
    card = stardist_card(stardist_members(parts))
    write_zip(mirrored / "dsb2018-stardist" / "dsb2018.zip", stardist_members({**parts, "test": parts["train"]}))
    with pytest.raises(DataError, match=r"mirror file .*dsb2018\.zip: sha256 is "):
        load_dataset(card, progress=False)


@pytest.mark.parametrize(
    "lost", [lambda name: "/masks/" in name, lambda name: "/test/" in name, lambda name: name.endswith(".tif")]
)
def test_stardists_archive_without_pairs_is_refused(
    stardist_card: Callable[..., str], parts: dict[str, dict[str, Sample]], lost: Callable[[str], bool]
):
    card = stardist_card([member for member in stardist_members(parts) if not lost(member[0])])
    with pytest.raises(DataError, match="/masks do not hold TIFF pairs of the same names"):
        load_dataset(card, progress=False)


def test_stardists_archive_with_a_broken_tiff_is_refused(
    stardist_card: Callable[..., str], parts: dict[str, dict[str, Sample]]
):
    members = stardist_members(parts)
    broken = members[-2][0]
    card = stardist_card([(name, content[:50] if name == broken else content) for name, content in members])
    with pytest.raises(DataError, match=f"{broken} cannot be read as TIFF"):
        load_dataset(card, progress=False)


@pytest.mark.filterwarnings("error")
def test_masks_that_overlap_keep_the_smaller_and_empty_ones_drop(tmp_path: Path, demo: Dataset):
    sample = demo[demo.ids[0]]
    first, *rest = masks_of(sample)
    everything = np.ones_like(first)
    members = [(f"x/images/{'x'}.png", rgba(sample)), ("x/masks/0.png", png(everything)), ("x/masks/1.png", png(first))]
    members += [("x/masks/2.png", png(np.zeros_like(first))), ("x/masks/3.png", png(rest[0]))]
    write_zip(tmp_path / "a.zip", members)
    (read,) = samples_with_masks(tmp_path / "a.zip")
    np.testing.assert_array_equal(read.target, np.where(first, 2, np.where(rest[0], 3, 1)))


def test_the_stratum_tells_kind_and_size_apart(demo: Dataset):
    for sample in demo:
        kind = "histology" if sample.axes == "yxc" else "fluorescence"
        assert stratum(sample.image.values, sample.target) == "{}-{}x{}".format(kind, *sample.target.shape)
    gray = next(sample for sample in demo if sample.axes == "yx")
    assert stratum(255 - gray.image.values, gray.target).startswith("brightfield-")
    assert Counter(sample.axes for sample in demo) == {"yx": 10, "yxc": 3}
