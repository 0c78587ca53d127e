"""Readers of restoration's data sets, on small archives in their sources' layouts and on the real ones."""

import os
import zipfile
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from zooscope.bundled import bundled
from zooscope.data import Dataset, load_dataset
from zooscope.errors import DataError

MIRROR = Path(os.environ.get("ZOOSCOPE_MIRROR", "nowhere"))


def gray(demo: Dataset) -> np.ndarray:
    return next(s.image.values for s in demo if s.axes == "yx" and min(s.image.shape) >= 128)[:128, :128]


@pytest.fixture
def card(tmp_path: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a bundled card without its digest, and an archive of these PNG members where it looks for one."""

    def write(id: str, members: dict[str, np.ndarray]) -> str:
        lines = (bundled("datasets") / f"{id}.toml").read_text().splitlines(keepends=True)
        path = tmp_path / f"{id}.toml"
        path.write_text("".join(line for line in lines if not line.startswith("digest")))
        folder = next(line.split('"')[1] for line in lines if line.startswith("folder"))
        name = next(line.split('"')[1] for line in lines if line.startswith("file"))
        monkeypatch.setenv("ZOOSCOPE_MIRROR", str(tmp_path / "mirror"))
        (tmp_path / "mirror" / folder).mkdir(parents=True)
        with zipfile.ZipFile(tmp_path / "mirror" / folder / name, "w") as archive:
            for member, image in members.items():
                archive.writestr(member, imagecodecs.png_encode(image))
        return str(path)

    return write


def test_natural_images_keep_their_parts_and_get_the_cards_noise(card, demo: Dataset):
    image = gray(demo)
    members = {
        "DnCNN-x/TrainingCodes/data/Train400/test_001.png": image,
        "DnCNN-x/testsets/Set12/01.png": image[::-1],
        "DnCNN-x/testsets/BSD68/test001.png": image.T.copy(),
        "DnCNN-x/testsets/BSD68/._test001.png": image[:2],
    }
    data = load_dataset(card("bsd68", members), progress=False)
    assert dict(data.table["split"]) == {
        "train400-test_001": "train",
        "set12-01": "validation",
        "bsd68-test001": "test",
    }
    sample = data["bsd68-test001"]
    np.testing.assert_array_equal(sample.target, image.T)
    assert np.std(sample.image.values - sample.target) == pytest.approx(25, rel=0.05)
    noises = [data[id].image.values - data[id].target.astype(float) for id in data.ids[:2]]
    assert abs(np.corrcoef(noises[0].ravel(), noises[1].ravel())[0, 1]) < 0.05, "each image has its own"


def test_frames_of_a_field_are_a_group(card, demo: Dataset):
    image = gray(demo)
    members = {f"F/data/raw/Confocal_FISH_{n}.png": np.roll(image, n, 0) for n in (1, 2)}
    members |= {f"F/data/gt/Confocal_FISH_{n}.png": image for n in (1, 2)}
    data = load_dataset(card("fmd-mixed", members), progress=False)
    assert data.ids == ["Confocal_FISH_1", "Confocal_FISH_2"]
    assert set(data.table["group"]) == {"Confocal_FISH"}
    assert set(data.table["stratum"]) == {"Confocal"}
    np.testing.assert_array_equal(data["Confocal_FISH_2"].image.values, np.roll(image, 2, 0))


def test_a_frame_without_truth_is_named(card, demo: Dataset):
    members = {"F/raw/Confocal_FISH_1.png": gray(demo), "F/gt/Confocal_FISH_2.png": gray(demo)}
    with pytest.raises(DataError, match=r"Confocal_FISH_1\.png has no truth in gt/"):
        load_dataset(card("fmd-mixed", members), progress=False)


def test_parts_of_a_field_share_no_column_and_test_borders_on_none(card, demo: Dataset):
    columns = np.broadcast_to((np.arange(512) // 2).astype(np.uint8), (64, 512)).copy()
    members = {"F/raw/TwoPhoton_MICE_1.png": columns, "F/gt/TwoPhoton_MICE_1.png": columns}
    data = load_dataset(card("fmd-split", members), progress=False)
    seen = {split: set(np.unique(data[f"TwoPhoton_MICE_1-{split}"].target)) for split in data.splits}
    assert {split: (int(min(found)), int(max(found))) for split, found in seen.items()} == {
        "test": (144, 255), "train": (0, 111), "validation": (112, 127)}  # fmt: skip


@pytest.mark.skipif(not (MIRROR / "fmd").is_dir(), reason="ZOOSCOPE_MIRROR has no FMD")
def test_fmd_as_it_is_has_the_raw_psnr_that_its_repository_states():
    data = load_dataset("fmd-mixed", progress=False)
    found = [peak_signal_noise_ratio(s.target, s.image.values, data_range=255) for s in data]
    assert (len(data), len(set(data.table["group"]))) == (48, 12)
    assert np.mean(found) == pytest.approx(27.217, abs=5e-4)


@pytest.mark.skipif(not (MIRROR / "bsd68").is_dir(), reason="ZOOSCOPE_MIRROR has no BSD68")
def test_bsd68_as_it_is_has_the_psnr_of_its_noise():
    data = load_dataset("bsd68", split="test", progress=False)
    found = [
        peak_signal_noise_ratio(s.target.astype(float), s.image.values.astype(float), data_range=255) for s in data
    ]
    assert len(data) == 68
    assert np.mean(found) == pytest.approx(10 * np.log10(255**2 / 25**2), abs=0.01)
