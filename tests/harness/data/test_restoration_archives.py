"""Restoration's data sets that no mirror has: each reader on a small archive in its source's layout, of demo images."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from zooscope.data import Dataset, load_dataset
from zooscope.data.card import find_card
from zooscope.errors import DataError


@pytest.fixture
def mirrored(tmp_path: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes an archive of these members (bytes, or arrays as what the name says) where a card looks for it."""

    def write(id: str, members: Mapping[str, bytes | np.ndarray], *, source: int = 0) -> Path:
        monkeypatch.setenv("ZOOSCOPE_MIRROR", str(tmp_path / "mirror"))
        path = tmp_path / "mirror" / id / find_card(id)[0].sources[source].file
        path.parent.mkdir(parents=True, exist_ok=True)
        contents = {name: encoded(name, content) for name, content in members.items()}
        if path.suffix == ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                for name, content in contents.items():
                    archive.writestr(name, content)
        else:
            with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
                for name, content in contents.items():
                    header = tarfile.TarInfo(name)
                    header.size = len(content)
                    archive.addfile(header, io.BytesIO(content))
        return path

    return write


def encoded(name: str, array: np.ndarray | bytes) -> bytes:
    if isinstance(array, bytes):
        return array
    if name.endswith(".png"):
        return imagecodecs.png_encode(array)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, photometric="minisblack")
    return buffer.getvalue()


def gray(demo: Dataset, count: int, size: int = 64) -> list[np.ndarray]:
    return [s.image.values[:size, :size] for s in demo if s.axes == "yx"][:count]


def noisy(image: np.ndarray, frames: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).poisson(image * 4.0, (frames, *image.shape))
    return (drawn + 100).astype(np.uint16)


def refused(id: str) -> str:
    with pytest.raises(DataError) as error:
        load_dataset(id, progress=False)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- bsd68-n2v, n2v-sem


def bsd68_n2v(demo: Dataset) -> dict[str, np.ndarray]:
    one, other, third = (image.astype(np.float32) for image in gray(demo, 3))
    folder = "BSD68_reproducibility_data"
    return {
        f"{folder}/train/DCNN400_train_gaussian25.tiff": np.stack([one + 25, other + 25]),
        f"{folder}/val/DCNN400_validation_gaussian25.tiff": third[None],
        f"{folder}/test/images/bsd68_gaussian25_0.tiff": one[:40] - 30,
        f"{folder}/test/images/bsd68_gaussian25_1.tiff": other[:, :50] - 30,
        f"{folder}/test/gt/bsd68_groundtruth_0.tiff": one[:40],
        f"{folder}/test/gt/bsd68_groundtruth_1.tiff": other[:, :50],
        f"__MACOSX/{folder}/test/gt/._bsd68_groundtruth_1.tiff": other,
    }


def test_stored_noise_is_read_as_it_is_and_stacks_have_no_truth(mirrored: Callable[..., Path], demo: Dataset):
    mirrored("bsd68-n2v", bsd68_n2v(demo))
    data = load_dataset("bsd68-n2v", progress=False)
    assert data.ids == ["test-00", "test-01", "train-0000", "train-0001", "val-0000"]
    sample = data["test-01"]
    np.testing.assert_array_equal(sample.image.values, sample.target - 30)
    assert sample.image.values.min() < 0, "not clipped"
    assert set(data.only("train").table["group"]) == {"train"}, "turned copies of one image are not told apart"
    for split in data.card.without_truth:
        assert all(np.array_equal(s.image.values, s.target) for s in data.only(split))
    assert not any(np.array_equal(s.image.values, s.target) for s in data.only("test"))


def test_tests_that_do_not_pair_are_refused(mirrored: Callable[..., Path], demo: Dataset):
    members = bsd68_n2v(demo)
    del members["BSD68_reproducibility_data/test/gt/bsd68_groundtruth_1.tiff"]
    mirrored("bsd68-n2v", members)
    assert "test/images and test/gt do not pair: 2 images and 1 truths" in refused("bsd68-n2v")


def test_micrographs_without_truth_are_data_to_learn_from(mirrored: Callable[..., Path], demo: Dataset):
    one, other = gray(demo, 2)
    mirrored("n2v-sem", {"train.tif": one, "validation.tif": other[:50]})
    data = load_dataset("n2v-sem", progress=False)
    assert dict(data.table["split"]) == {"train-000": "train", "validation-000": "validation"}
    np.testing.assert_array_equal(data["validation-000"].image.values, other[:50])
    assert set(data.card.without_truth) == set(data.splits)


# --- fmd


def fmd_field(kind: str, field: int, image: np.ndarray) -> dict[str, np.ndarray]:
    files = [(f"{kind}/{folder}/{field}", n) for folder in ("raw", "avg16") for n in (0, 1)]
    members = {f"{folder}/HV110_P050051000{n}.png": image // 2 + n for folder, n in files}
    return members | {f"{kind}/gt/{field}/avg50.png": image}


def test_a_field_of_fmd_shares_group_and_truth_at_every_average(mirrored: Callable[..., Path], demo: Dataset):
    card = find_card("fmd")[0]
    for number, (source, image) in enumerate(zip(card.sources, gray(demo, 9) + gray(demo, 3, 32), strict=True)):
        kind = Path(source.file).stem
        fields = [fmd_field(kind, field, image + field) for field in (1, 19, 20)]
        mirrored("fmd", fields[0] | fields[1] | fields[2], source=number)
    data = load_dataset("fmd", progress=False)
    assert len(data) == 12 * 3 * 4
    assert {split: {group[-2:] for group in data.only(split).table["group"]} for split in data.splits} == {
        "test": {"19"}, "train": {"01"}, "validation": {"20"}}  # fmt: skip
    assert not data.leaks()
    sample = data["Confocal_FISH-19-avg16-HV110_P0500510001"]
    assert sample.stratum == "avg16-Confocal_FISH"
    assert data.card.subset_of(sample.stratum) == ["avg16"]
    np.testing.assert_array_equal(sample.image.values, sample.target // 2 + 1)


def test_a_field_without_truth_is_named(mirrored: Callable[..., Path], demo: Dataset):
    members = fmd_field("Confocal_BPAE_B", 3, gray(demo, 1)[0])
    del members["Confocal_BPAE_B/gt/3/avg50.png"]
    for number in range(12):
        mirrored("fmd", members, source=number)
    assert "Confocal_BPAE_B/gt/3/avg50.png is missing" in refused("fmd")


# --- CARE


def care(demo: Dataset, dtype: type = np.float32) -> dict[str, bytes | np.ndarray]:
    image = gray(demo, 1)[0]
    patches = np.arange(20 * 16 * 8 * 8, dtype=dtype).reshape(20, 1, 16, 8, 8)
    buffer = io.BytesIO()
    np.savez(buffer, X=patches, Y=patches + 1, axes="SCZYX")
    volume = np.stack([image, image // 2, image // 3]).astype(np.uint16)
    folder = "Denoising_Tribolium"
    members: dict[str, bytes | np.ndarray] = {f"{folder}/train_data/data_label.npz": buffer.getvalue()}
    for name in ("nGFP_1", "nGFP_2"):
        members[f"{folder}/test_data/GT/{name}.tif"] = volume
        members |= {f"{folder}/test_data/condition_{c}/{name}.tif": volume // (c + 1) for c in (1, 2, 3)}
    return members


def test_planes_of_a_volume_are_one_group_and_patches_are_planes(mirrored: Callable[..., Path], demo: Dataset):
    mirrored("care-tribolium", care(demo))
    data = load_dataset("care-tribolium", progress=False)
    test = data.only("test")
    assert len(test) == 2 * 3 * 3
    assert set(test.table["group"]) == {"nGFP_1", "nGFP_2"}
    sample = data["nGFP_2-condition_3-z001"]
    assert sample.stratum == "condition_3"
    assert sample.image.dtype == np.uint16
    np.testing.assert_array_equal(sample.image.values, sample.target // 4)
    assert data.only("validation").ids == ["patch-00018", "patch-00019"], "the last tenth"
    middle = data["patch-00019"]
    np.testing.assert_array_equal(middle.target, middle.image.values + 1)
    assert middle.image.values[0, 0] == (19 * 16 + 8) * 64


def test_a_gzipped_archive_leaves_no_file_behind(mirrored: Callable[..., Path], demo: Dataset, fresh_cache: Path):
    mirrored("care-tribolium", care(demo))
    folder = load_dataset("care-tribolium", progress=False).folder
    assert sorted(path.name for path in (fresh_cache / "data").iterdir()) == [".lock", folder.name]


def test_patches_that_are_no_numbers_are_refused(mirrored: Callable[..., Path], demo: Dataset):
    mirrored("care-tribolium", care(demo, dtype=object))
    assert "data_label.npz: an array of object" in refused("care-tribolium")


def test_patches_that_are_no_archive_are_refused(mirrored: Callable[..., Path], demo: Dataset):
    mirrored("care-tribolium", care(demo) | {"Denoising_Tribolium/train_data/data_label.npz": b"not one"})
    assert "train_data/data_label.npz is not a whole npz" in refused("care-tribolium")


def test_a_volume_that_lacks_a_condition_is_named(mirrored: Callable[..., Path], demo: Dataset):
    members = care(demo)
    del members["Denoising_Tribolium/test_data/condition_2/nGFP_1.tif"]
    mirrored("care-tribolium", members)
    assert "Denoising_Tribolium/test_data/condition_2/nGFP_1.tif is missing" in refused("care-tribolium")


# --- W2S


def test_channels_and_averages_of_a_field_are_one_group(mirrored: Callable[..., Path], demo: Dataset):
    members = {}
    for part, fields in (("train", ("070", "071")), ("test", ("081",))):
        for field, image in zip(fields, gray(demo, 2), strict=False):
            for channel in range(3):
                for level in ("avg1", "avg8"):
                    members[f"w2s-929e/data/{part}/{level}/{field}_{channel}.png"] = image // (channel + 2)
                members[f"w2s-929e/data/{part}/avg400/{field}_{channel}.png"] = image
    mirrored("w2s", members)
    data = load_dataset("w2s", progress=False)
    assert len(data) == 3 * 3 * 2
    assert dict(zip(data.table["group"], data.table["split"], strict=True)) == {
        "070": "train", "071": "validation", "081": "test"}  # fmt: skip
    sample = data["081_2-avg08"]
    assert (sample.stratum, sample.axes) == ("avg08", "yx")
    np.testing.assert_array_equal(sample.image.values, sample.target // 4)


# --- stacks of one field

STACKS = {
    "convallaria": ("Convallaria_diaphragm", "20190520_tl_25um_50msec_05pc_488_130EM_Conv.tif",
                    "20190726_tl_50um_500msec_wf_130EM_FD.tif", 1024),
    "mouse-actin": ("Mouse actin", "sample_attempt2.tif", "diaphragm.tif", 1024),
    "mouse-nuclei": ("Mouse skull nuclei", "example2_digital_offset300.tif", "edgeoftheslide_300offset.tif", 512),
    "struct-convallaria": ("Struct_Convallaria", "flower.tif", None, 1024),
}  # fmt: skip


@pytest.mark.parametrize("id", list(STACKS))
def test_no_pixel_of_the_test_part_trains_and_parts_do_not_touch(mirrored: Callable[..., Path], demo: Dataset, id: str):
    folder, frames, calibration, size = STACKS[id]
    flat = gray(demo, 1)[0]
    numbered = np.arange(size * size, dtype=np.uint32).reshape(size, size)
    mirrored(id, {
        f"{folder}/{frames}": np.stack([numbered, numbered + 4]),
        **({f"{folder}/{calibration}": noisy(flat, 5)} if calibration else {}),
        f"__MACOSX/{folder}/{frames}": b"resource fork",
    })  # fmt: skip
    data = load_dataset(id, progress=False)
    assert data.splits == [*(["calibration"] if calibration else []), "test", "train", "validation"]
    np.testing.assert_array_equal(data["test-001"].target, data["test-001"].image.values.astype(np.float32) - 2)
    parts = [np.isin(numbered, data[f"{split}-000"].image.values) for split in ("train", "validation", "test")]
    ys_xs = [np.argwhere(part) for part in parts]
    for one in range(3):
        low, high = ys_xs[one].min(axis=0), ys_xs[one].max(axis=0)
        for other in range(one):
            gaps = np.maximum(ys_xs[other].min(axis=0) - high, low - ys_xs[other].max(axis=0))
            assert gaps.max() - 1 >= 32
    if calibration:
        assert set(data.table.loc[data.only("calibration").ids, "group"]) == {"calibration"}


def test_calibration_frames_have_their_mean_as_truth(mirrored: Callable[..., Path], demo: Dataset):
    folder, frames, calibration, size = STACKS["mouse-nuclei"]
    static, empty = noisy(gray(demo, 1)[0], 50), np.zeros((2, size, size), np.uint16)
    mirrored("mouse-nuclei", {f"{folder}/{frames}": empty, f"{folder}/{calibration}": static})
    data = load_dataset("mouse-nuclei", split="calibration", progress=False)
    assert len(data) == 50
    for number, sample in enumerate(data):
        np.testing.assert_array_equal(sample.image.values, static[number])
        np.testing.assert_allclose(sample.target, static.mean(axis=0), rtol=1e-6)


def test_a_field_too_small_for_its_parts_is_refused(mirrored: Callable[..., Path], demo: Dataset):
    folder, frames, calibration, _ = STACKS["convallaria"]
    small = noisy(gray(demo, 1)[0], 2)
    mirrored("convallaria", {f"{folder}/{frames}": small, f"{folder}/{calibration}": small})
    assert "too small for the region of test" in refused("convallaria")
