"""Instance segmentation's data sets that no mirror has: each reader on a small archive in its source's layout."""

import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from zooscope.data import Dataset, load_dataset
from zooscope.data.card import find_card
from zooscope.errors import DataError
from zooscope.sample import Sample

Members = Mapping[str, bytes | np.ndarray]


@pytest.fixture
def mirrored(tmp_path: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a zip of these members (bytes, or arrays as what the name says) where a card looks for that file."""
    monkeypatch.setenv("ZOOSCOPE_MIRROR", str(tmp_path / "mirror"))

    def write(id: str, members: Members, *, file: str | None = None) -> Path:
        path = tmp_path / "mirror" / id / (file or find_card(id)[0].sources[0].file)
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, encoded(name, content))
        return path

    return write


def encoded(name: str, content: bytes | np.ndarray) -> bytes:
    if isinstance(content, bytes):
        return content
    if name.endswith(".png"):
        return imagecodecs.png_encode(np.ascontiguousarray(content))
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, content, photometric="minisblack")
    return buffer.getvalue()


def gray(demo: Dataset, count: int) -> list[Sample]:
    return [sample for sample in demo if sample.axes == "yx"][:count]


def refused(id: str) -> str:
    with pytest.raises(DataError) as error:
        load_dataset(id, progress=False)
    assert "\n" not in str(error.value)
    return str(error.value)


def same_objects(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two label images differ in their numbers alone."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return pairs.shape[1] == len(np.unique(one)) == len(np.unique(other)) and not (pairs[0, 0] or pairs[1, 0])


# --- bbbc039

NAMES = {"training": "IXMtest_A02_s1_w1051DAA7C-7042", "validation": "IXMtest_P24_s9_w13AC6C03C-E8D7",
         "test": "IXMtest_B04_s4_w1F6AEFA0F-AF87"}  # fmt: skip


def few_values(labels: np.ndarray) -> np.ndarray:
    """A mask as BBBC039 has it: red tells touching nuclei apart, values come again, the rest is transparency."""
    red = np.where(labels > 0, labels % 7 + 1, 0).astype(np.uint8)
    return np.stack([red, np.zeros_like(red), np.zeros_like(red), np.where(red, 255, 0).astype(np.uint8)], axis=-1)


def connected(labels: np.ndarray) -> np.ndarray:
    """A label image whose objects are connected and whose touching objects differ in `few_values`."""
    from skimage import measure, segmentation

    apart = np.where(segmentation.find_boundaries(labels, mode="thick"), 0, labels)
    return np.asarray(measure.label(apart)).astype(np.int32)


@pytest.fixture
def bbbc039(mirrored: Callable[..., Path], demo: Dataset) -> dict[str, Sample]:
    """The three archives; by split, what is in them."""
    samples = dict(zip(NAMES, gray(demo, 3), strict=True))
    images: dict[str, np.ndarray] = {}
    masks: dict[str, bytes | np.ndarray] = {}
    lists: dict[str, bytes] = {"metadata/readme.txt": b"nothing", "__MACOSX/metadata/._test.txt": b"resource fork"}
    for part, name in NAMES.items():
        images[f"images/{name}.tif"] = samples[part].image.values.astype(np.uint16) * 16
        masks[f"masks/{name}.png"] = few_values(connected(samples[part].target))
        masks[f"__MACOSX/masks/._{name}.png"] = b"resource fork"
        lists[f"metadata/{part}.txt"] = f"{name}.png\r\n\n".encode()
    mirrored("bbbc039", images, file="images.zip")
    mirrored("bbbc039", masks, file="masks.zip")
    mirrored("bbbc039", lists, file="metadata.zip")
    return samples


def test_an_object_of_bbbc039_is_a_connected_part_of_one_value(bbbc039: dict[str, Sample]):
    data = load_dataset("bbbc039", progress=False)
    assert set(data.table["group"]) == {"IXMtest_A02", "IXMtest_P24", "IXMtest_B04"}
    for part, split in (("training", "train"), ("validation", "validation"), ("test", "test")):
        (sample,) = data.only(split)
        assert sample.id == NAMES[part]
        np.testing.assert_array_equal(sample.image.values, bbbc039[part].image.values.astype(np.uint16) * 16)
        assert same_objects(sample.target, connected(bbbc039[part].target))


def test_an_image_of_bbbc039_that_is_missing_is_named(bbbc039: dict[str, Sample], mirrored: Callable[..., Path]):
    mirrored("bbbc039", {"masks/other.png": np.zeros((4, 4), np.uint8)}, file="masks.zip")
    text = refused("bbbc039")
    assert f"masks.zip: lacks '{NAMES['training']}', which training.txt of " in text
    assert text.endswith("metadata.zip names; delete both files and fetch again")


# --- denoiseg-dsb


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def of_several_sizes(arrays: list[np.ndarray]) -> np.ndarray:
    found = np.empty(len(arrays), object)
    found[:] = arrays
    return found


def denoiseg(demo: Dataset, **test: Any) -> dict[str, bytes]:
    patches = [sample for sample in gray(demo, 10) if min(sample.target.shape) >= 128][:4]
    x = np.stack([sample.image.values[:128, :128] for sample in patches]).astype(np.float64) + 0.25
    y = np.stack([sample.target[:128, :128] for sample in patches])
    sizes = [(100, 90), (64, 128)]
    whole = {
        "X_test": of_several_sizes([x[n][:h, :w] for n, (h, w) in enumerate(sizes)]),
        "Y_test": of_several_sizes([y[n][:h, :w].astype(np.uint16) for n, (h, w) in enumerate(sizes)]),
        **test,
    }
    return {
        "DSB2018_n10/train/train_data.npz": npz(X_train=x[:3], Y_train=y[:3], X_val=x[3:], Y_val=y[3:]),
        "DSB2018_n10/test/test_data.npz": npz(**whole),
    }


def test_patches_and_images_of_several_sizes_are_read(mirrored: Callable[..., Path], demo: Dataset):
    mirrored("denoiseg-dsb-n10", denoiseg(demo))
    data = load_dataset("denoiseg-dsb-n10", progress=False)
    assert {split: len(data.only(split)) for split in data.splits} == {"test": 2, "train": 3, "validation": 1}
    assert [data[id].target.shape for id in data.only("test").ids] == [(100, 90), (64, 128)]
    assert set(data.only("train").table["group"]) == {"train"}, "patches of one field are not told apart"
    first, patch = data["test-0000"], data["train-0000"]
    np.testing.assert_array_equal(first.image.values, patch.image.values[:100, :90])
    np.testing.assert_array_equal(first.target, patch.target[:100, :90])
    assert patch.image.values.max() % 1 == 0.25, "floats stay what they are"


class Runs:
    """What a hostile pickle would be."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, (self.command,)


def test_a_pickle_runs_nothing(mirrored: Callable[..., Path], demo: Dataset, tmp_path: Path):
    hostile = np.empty(1, object)
    hostile[0] = Runs(f"touch {tmp_path / 'ran'}")
    mirrored("denoiseg-dsb-n10", denoiseg(demo, X_test=hostile))
    text = refused("denoiseg-dsb-n10")
    assert "test_data.npz: X_test: no array of arrays of numbers (" in text
    assert "system is no array" in text
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_of_every_age_are_read(mirrored: Callable[..., Path], demo: Dataset, protocol: int):
    """NumPy has written such files with several protocols of pickle, and has moved its modules since."""
    members = denoiseg(demo)
    with zipfile.ZipFile(io.BytesIO(members["DSB2018_n10/test/test_data.npz"])) as archive:
        arrays = {name[:-4]: np.load(io.BytesIO(archive.read(name)), allow_pickle=True) for name in archive.namelist()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            head = io.BytesIO()
            np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(array))
            content = pickle.dumps(array, protocol=protocol)
            old = content.replace(b"numpy._core.", b"numpy.core.") if protocol < 4 else content
            archive.writestr(f"{name}.npy", head.getvalue() + old)
    mirrored("denoiseg-dsb-n10", {**members, "DSB2018_n10/test/test_data.npz": buffer.getvalue()})
    data = load_dataset("denoiseg-dsb-n10", progress=False)
    np.testing.assert_array_equal(data["test-0001"].target, arrays["Y_test"][1])


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ({"X_test": np.array([{}, {}], object)}, "2 arrays, one of object"),
        ({"Y_test": of_several_sizes([np.zeros((100, 90), int)])}, "has 2 images X_test and 1 masks Y_test"),
        ({"Y_test": of_several_sizes([np.zeros((9, 9), int)] * 2)}, r"labels of shape (9, 9)"),
    ],
)
def test_arrays_that_do_not_fit_are_named(mirrored: Callable[..., Path], demo: Dataset, test: Any, said: str):
    mirrored("denoiseg-dsb-n10", denoiseg(demo, **test))
    assert said in refused("denoiseg-dsb-n10")


def test_an_npz_that_is_none_or_lacks_an_array_is_named(mirrored: Callable[..., Path], demo: Dataset):
    member = "DSB2018_n10/test/test_data.npz"
    mirrored("denoiseg-dsb-n10", {**denoiseg(demo), member: denoiseg(demo)[member][:900]})
    assert "test_data.npz is not a whole npz" in refused("denoiseg-dsb-n10")
    mirrored("denoiseg-dsb-n10", {**denoiseg(demo), member: npz(X_test=np.zeros((1, 4, 4)))})
    assert "test_data.npz: has no array Y_test, only X_test.npy" in refused("denoiseg-dsb-n10")


# --- cellpose


def cellpose(part: str, samples: list[Sample]) -> dict[str, np.ndarray]:
    members = {}
    for number, sample in enumerate(samples):
        image = sample.image.values
        colour = np.stack([np.zeros_like(image), image, image // 2], axis=-1)
        members[f"{part}/{number:03}_img.png"] = colour if number else image
        members[f"{part}/{number:03}_masks.png"] = sample.target.astype(np.uint16)
    return members


def test_cellposes_pairs_give_colours_and_objects_back(mirrored: Callable[..., Path], demo: Dataset):
    samples = gray(demo, 10)
    mirrored("cellpose", cellpose("train", samples), file="train.zip")
    mirrored("cellpose", cellpose("test", samples[:2]), file="test.zip")
    data = load_dataset("cellpose", progress=False)
    assert data.only("validation").ids == ["train-000", "train-008"]
    assert data.only("test").ids == ["test-000", "test-001"]
    assert (data["test-000"].axes, data["test-001"].axes) == ("yx", "yxc")
    np.testing.assert_array_equal(data["test-001"].image.values[..., 1], samples[1].image.values)
    for number, sample in enumerate(samples):
        np.testing.assert_array_equal(data[f"train-{number:03}"].target, sample.target)


def test_an_image_of_cellpose_without_masks_is_named(mirrored: Callable[..., Path], demo: Dataset):
    members = cellpose("train", gray(demo, 2))
    del members["train/001_masks.png"]
    mirrored("cellpose", members, file="train.zip")
    mirrored("cellpose", cellpose("test", gray(demo, 1)), file="test.zip")
    assert "train.zip: '001' has not both train/<number>_img.png and _masks.png" in refused("cellpose")


def test_what_a_person_has_to_get_is_told_with_page_and_place_and_never_deleted(fresh_cache: Path, demo: Dataset):
    text = refused("cellpose")
    place = fresh_cache / "downloads" / "cellpose" / "train.zip"
    assert "train.zip could not be fetched: it is given to who accepts the terms" in text
    assert "get it from https://www.cellpose.org/dataset" in text
    assert f"Put the file at {place}" in text
    place.write_bytes(b"a page that asks for one's name")
    (place.parent / "test.zip").write_bytes(b"another")
    assert "not a whole zip archive" in refused("cellpose")
    assert place.is_file()


# --- embedseg


def embedseg(name: str, parts: Mapping[str, list[Sample]], *, one_hot: bool = False) -> dict[str, np.ndarray]:
    members = {}
    for part, samples in parts.items():
        for number, sample in enumerate(samples):
            labels = sample.target
            stack = np.stack([labels == label for label in range(1, labels.max() + 1)]).astype(np.uint8)
            stack[0] |= stack[1]  # the first lies under the second
            members[f"{name}/{part}/images/{number:02}.tif"] = sample.image.values
            members[f"{name}/{part}/masks/{number:02}.tif"] = stack if one_hot else labels.astype(np.uint16)
    return members


def test_embedsegs_validation_images_are_those_of_its_notebook(mirrored: Callable[..., Path], demo: Dataset):
    samples = gray(demo, 8)
    mirrored("embedseg-dsb-2018", embedseg("dsb-2018", {"train": samples, "test": samples[:1]}))
    data = load_dataset("embedseg-dsb-2018", progress=False)
    np.random.seed(1000)  # noqa: NPY002 -- EmbedSeg's split_train_val
    indices = np.arange(8)
    np.random.shuffle(indices)  # noqa: NPY002
    assert data.only("validation").ids == sorted(f"train-{index:02}" for index in indices[: int(0.15 * 8)])
    assert len(data.only("train")) == 7
    np.testing.assert_array_equal(data["test-00"].target, samples[0].target)
    assert data["test-00"].objects is None


def test_worms_that_cross_have_masks_of_their_own(mirrored: Callable[..., Path], demo: Dataset):
    samples = [sample for sample in gray(demo, 10) if sample.target.max() < 40][:4]
    mirrored("embedseg-bbbc010-2012", embedseg("bbbc010-2012", {"train": samples}, one_hot=True))
    data = load_dataset("embedseg-bbbc010-2012", progress=False)
    assert len(data.only("test")) == len(samples) // 2, "half of train, which is all that there is"
    for number, sample in enumerate(samples):
        found = data[f"train-{number:02}"]
        np.testing.assert_array_equal(found.target, sample.target)
        assert found.objects is not None
        areas = np.bincount(sample.target.ravel())[1:]
        assert found.objects.sizes.tolist() == [areas[0] + areas[1], *areas[1:]]


def test_images_and_masks_of_other_numbers_are_named(mirrored: Callable[..., Path], demo: Dataset):
    members = embedseg("usiigaci-2017", {"train": gray(demo, 3), "test": gray(demo, 1)})
    del members["usiigaci-2017/train/masks/01.tif"]
    mirrored("embedseg-usiigaci-2017", members)
    assert "train/images has 3 TIFFs, train/masks 2; they pair by order" in refused("embedseg-usiigaci-2017")


def test_models_trained_on_what_shares_images_with_dsb2018_are_marked_on_it():
    from zooscope.contender import trained_on

    shared = ["bbbc039", "denoiseg-dsb-n0", "denoiseg-dsb-n10", "denoiseg-dsb-n20", "embedseg-dsb-2018"]
    for own in ("dsb2018", "dsb2018-stardist", "bbbc038", "demo"):
        card = find_card(own)[0]
        for other in shared:
            for trained, ranked in ((other, card), (own, find_card(other)[0])):
                about = {"training_data": [{"dataset": trained, "splits": ["train", "validation"]}]}
                assert trained_on(about, ranked, split="test"), f"{trained} on {ranked.id}"
