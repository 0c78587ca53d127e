"""dsb2018-noisy, -blurred and -noise20, on an archive of demo images in the source's layout and on the real one."""

import csv
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from zooscope.bundled import bundled
from zooscope.data import Dataset, load_dataset
from zooscope.data.blur import blurred
from zooscope.data.card import find_card, load_card
from zooscope.data.digest import array_digest
from zooscope.data.fetch import fetch
from zooscope.data.readers import read
from zooscope.data.scale import scaled
from zooscope.errors import DataError
from zooscope.sample import Task

LEVELS = {"photons-05": 5, "photons-10": 10, "photons-20": 20}


@pytest.fixture
def of_demo_images(tmp_path: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch, demo: Dataset):
    """Loads a bundled card, without its digest, whose archive and split table hold the demo images alone."""

    def load(id: str) -> Dataset:
        lines = (bundled("datasets") / f"{id}.toml").read_text().splitlines(keepends=True)
        card = tmp_path / f"{id}.toml"
        card.write_text("".join(line for line in lines if not line.startswith("digest")))
        (tmp_path / "splits").mkdir()
        with (bundled("datasets") / "splits" / "dsb2018.csv").open() as table:
            rows = [row for row in csv.reader(table) if row[0] in {"id", *demo.ids}]
        with (tmp_path / "splits" / "dsb2018.csv").open("w", newline="") as table:
            csv.writer(table).writerows(rows)
        monkeypatch.setenv("ZOOSCOPE_MIRROR", str(tmp_path / "mirror"))
        (tmp_path / "mirror" / "dsb2018").mkdir(parents=True)
        with zipfile.ZipFile(tmp_path / "mirror" / "dsb2018" / load_card(card).sources[0].file, "w") as archive:
            for sample in demo:
                image, folder = sample.image.values, f"x/stage1_train/{sample.id}"
                colour = np.stack([image] * 3, axis=-1) if image.ndim == 2 else image
                archive.writestr(f"{folder}/images/{sample.id}.png", imagecodecs.png_encode(colour))
                for label in range(1, int(sample.target.max()) + 1):
                    mask = np.where(sample.target == label, 255, 0).astype(np.uint8)
                    archive.writestr(f"{folder}/masks/{label:03d}.png", imagecodecs.png_encode(mask))
        return load_dataset(str(card), progress=False)

    return load


LoadOfDemo = Callable[[str], Dataset]


def test_an_image_comes_once_a_level_in_its_split_and_field(of_demo_images: LoadOfDemo, demo: Dataset):
    data = of_demo_images("dsb2018-noisy")
    wanted = [id for id in demo.ids if demo.table["stratum"][id].startswith("fluorescence-")]
    assert data.ids == sorted(f"{id}-{level}" for id in wanted for level in LEVELS)
    assert 0 < len(wanted) < len(demo)
    for sample in data:
        id, _, photons = sample.id.rpartition("-photons-")
        assert sample.stratum == f"photons-{photons}"
        assert (sample.group, data.table["split"][sample.id]) == tuple(demo.table.loc[id, ["group", "split"]])
        assert sample.target.shape == demo[id].target.shape, "the labels lie on the image"
        np.testing.assert_array_equal(sample.target, scaled(demo[id].image.values, data.card.scale))


def test_the_noise_of_a_level_is_that_of_its_photons(of_demo_images: LoadOfDemo):
    for sample in of_demo_images("dsb2018-noisy"):
        assert sample.image.dtype == np.float32
        gray_levels_a_photon = 100 / LEVELS[sample.stratum]
        noise = (sample.image.values - sample.target.astype(float)) / gray_levels_a_photon
        photons = sample.target.mean() / gray_levels_a_photon
        assert noise.mean() == pytest.approx(0, abs=0.05)
        assert noise.var() == pytest.approx(photons + 1, rel=0.05), "Poisson's variance, and 1 photon of reading out"


def test_levels_of_one_image_have_noise_of_their_own(of_demo_images: LoadOfDemo):
    data = of_demo_images("dsb2018-noisy")
    one, other = (data[id].image.values - data[id].target for id in data.ids[:2])
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_a_blurred_image_is_the_clean_one_through_the_cards_psf_and_noise(of_demo_images: LoadOfDemo, demo: Dataset):
    data = of_demo_images("dsb2018-blurred")
    assert data.ids == [id for id in demo.ids if demo.table["stratum"][id].startswith("fluorescence-")]
    assert data.card.blur
    for sample in data:
        np.testing.assert_array_equal(sample.target, scaled(demo[sample.id].image.values, data.card.scale))
        light = blurred(sample.target, data.card.blur)
        noise = sample.image.values - light
        assert noise.mean() == pytest.approx(0, abs=0.05)
        assert noise.var() == pytest.approx(light.mean() + 1, rel=0.05)
        assert (sample.image.values - sample.target).var() > noise.var()


def test_objects_are_labelled_in_noise_of_20_grey_levels(of_demo_images: LoadOfDemo, demo: Dataset):
    data = of_demo_images("dsb2018-noise20")
    assert data.card.task is Task.INSTANCE_SEGMENTATION
    assert data.ids == [id for id in demo.ids if demo.table["stratum"][id].startswith("fluorescence-")]
    for sample in data:
        clean = scaled(demo[sample.id].image.values, data.card.scale)
        noise = sample.image.values - clean
        assert (noise.mean(), noise.std()) == (pytest.approx(0, abs=0.5), pytest.approx(20, rel=0.02))
        assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.02
        assert np.percentile(clean, 99.9) == pytest.approx(100, abs=0.1)
        inside = sample.target > 0
        assert sample.target.dtype == np.int32
        assert clean[inside].mean() > clean[~inside].mean(), "the labels lie on the nuclei"


@pytest.mark.parametrize(
    ("id", "digest"),
    [
        ("dsb2018-noisy", "48dd4a41ca827d93"),
        ("dsb2018-blurred", "888cfc0e705b30ff"),
        ("dsb2018-noise20", "229abc71c7fe4e18"),
    ],
)
def test_the_bytes_are_the_same_on_every_machine(of_demo_images: LoadOfDemo, id: str, digest: str):
    assert of_demo_images(id).digest[:16] == digest


def test_a_card_says_noise_once(tmp_path: Path):
    path = tmp_path / "dsb2018-noisy.toml"
    lines = (bundled("datasets") / path.name).read_text()
    path.write_text(f'{lines}\n[noise]\nkind = "gaussian"\nsigma = 1.0\n')
    with pytest.raises(DataError, match=r"key 'levels': .*the card has \[noise\] too"):
        load_card(path)


def test_ids_lead_to_the_labels_of_dsb2018(dsb2018: Dataset):
    found = {}
    for id in ("dsb2018-noisy", "dsb2018-blurred", "dsb2018-noise20"):
        card, beside = find_card(id)
        for sample, split in islice(read(card, fetch(card, progress=False), beside=beside, progress=False), 30):
            same = dsb2018[sample.id.partition("-")[0]]
            assert (sample.group, split) == (same.group, dsb2018.table["split"][same.id])
            assert sample.target.shape == same.target.shape
            if card.task is Task.RESTORATION:
                assert np.corrcoef(sample.target.ravel(), same.image.values.ravel())[0, 1] > 0.99999
            else:
                np.testing.assert_array_equal(sample.target, same.target)
            found[id] = array_digest(sample.image.values)[:16]
    pinned = {
        "dsb2018-noisy": "17b4e6d9e0d0bc81",
        "dsb2018-blurred": "4e4841ea6ce59f93",
        "dsb2018-noise20": "a2c9a8cb84c922b6",
    }
    assert found == pinned, "the last of them, as when the cards' digests were taken"
