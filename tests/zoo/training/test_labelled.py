"""training.labelled: labels of some images are learned from, drawn by the seed; what becomes of the others."""

from pathlib import Path

import numpy as np
import pytest

from zooscope import plugins
from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope_zoo.training.config import make_config
from zooscope_zoo.training.images import draw_labelled
from zooscope_zoo.training.material import Material, prepare


@pytest.fixture(scope="module")
def folder(demo: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six gray images to train on, and two to validate on."""
    path = tmp_path_factory.mktemp("labelled") / "own"
    gray = [sample for sample in demo if sample.axes == "yx"][:8]
    write_folder(path, [(sample, "train" if number < 6 else "validation") for number, sample in enumerate(gray)])
    return path


def material(folder: Path, method: str, *changes: str) -> tuple[Material, list[str]]:
    found, said = plugins.load("methods", method), list[str]()
    settings = ("training.patch_px=64", "augment.zoom=[1, 1]", "augment.noise=0", *changes)
    config, network = make_config(found, [str(folder)], settings)
    return prepare(found, config, network, [load_dataset(folder)], say=said.append, progress=False), said


def test_the_draw_depends_on_the_seed_alone_and_a_smaller_one_is_part_of_a_larger() -> None:
    ids = [f"image-{number}" for number in range(100)]
    ten = draw_labelled(ids, 10, seed=1)
    assert ten == draw_labelled(ids[::-1], 10, seed=1)
    assert len(ten) == 10
    assert set(ten) < set(draw_labelled(ids, 20, seed=1))
    assert set(ten) != set(draw_labelled(ids, 10, seed=2))
    _, often = np.unique([draw_labelled(ids, 10, seed=seed) for seed in range(200)], return_counts=True)
    assert len(often) == 100
    assert often.max() < 40


def test_who_learns_from_labels_alone_sees_no_other_image(folder: Path) -> None:
    found, said = material(folder, "unet", "training.labelled=2")
    assert len(found.training) == found.about[0]["images"] == 2
    assert len(found.validation) == 2, "validation keeps its labels"
    assert found.about[0]["labelled"] == draw_labelled(load_dataset(folder).only("train").ids, 2, seed=0)
    assert any("labels of 2 of 6 images are learned from; the others are left out" in line for line in said)


def test_denoiseg_sees_all_images_and_half_its_patches_have_labels(folder: Path) -> None:
    found, said = material(folder, "denoiseg", "training.labelled=1")
    assert len(found.training) == 6
    assert any("the others train without labels" in line for line in said)
    rng = np.random.default_rng(0)
    targets = [found.training.drawn(rng)[1] for _ in range(200)]
    known = [bool((target >= 0).all()) for target in targets]
    assert [bool((target == -1).all()) for target in targets] == [not labelled for labelled in known]
    assert 70 < sum(known) < 130
    assert (found.validation.fixed(0, rng)[1] >= 0).all()


def test_of_images_with_labels_a_square_around_an_object_is_seen_the_others_stay_whole(folder: Path) -> None:
    changes = ("training.labelled=2", "training.labelled_px=64")
    found, _ = material(folder, "denoiseg", *changes)
    assert (found.about[0]["labelled_px"], len(found.about[0]["labelled"])) == (64, 2)
    rng, seen = np.random.default_rng(0), set[bytes]()
    for _ in range(200):
        target = found.training.drawn(rng)[1]
        if (target >= 0).all():
            assert (target > 0).any()
            seen.add(min(np.rot90(part, turns).tobytes() for part in (target[0], target[0].T) for turns in range(4)))
    assert len(seen) == 2, "but for flips and rotations there are two squares, which fill their patches"
    assert len(found.training) == 6
    alone, _ = material(folder, "denoiseg", *changes, "network.alpha=0")
    assert len(alone.training) == 2
    assert (found.validation.fixed(0, rng)[1].shape, len(found.validation)) == ((1, 64, 64), 2)


def test_without_denoising_it_sees_what_any_other_method_sees(folder: Path) -> None:
    found, _ = material(folder, "denoiseg", "training.labelled=1", "network.alpha=0")
    assert len(found.training) == 1


def test_unasked_nothing_is_drawn_nor_written_down(folder: Path) -> None:
    found, said = material(folder, "denoiseg")
    assert len(found.training) == 6
    assert "labelled" not in found.about[0]
    assert not any("labels of" in line for line in said)
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    again, _ = material(folder, "denoiseg", "training.labelled=6")
    for one, two in zip(found.training.drawn(rng), again.training.drawn(other), strict=True):
        np.testing.assert_array_equal(one, two)
