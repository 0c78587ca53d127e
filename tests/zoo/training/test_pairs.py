"""What a restoration learns from: pairs of the data set, frames of one scene, noise drawn anew, or the image alone."""

import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zooscope.data import Dataset, load_dataset
from zooscope.data.blur import GaussianBlur
from zooscope.data.folder import write_folder
from zooscope.errors import DataError, UsageError
from zooscope.rows import plan_rows
from zooscope.sample import Sample, Task
from zooscope_zoo.method import Teacher
from zooscope_zoo.packaging.export import Publisher, export
from zooscope_zoo.train import train
from zooscope_zoo.training.config import AugmentConfig, TrainingConfig
from zooscope_zoo.training.normalisation import Normalisation, measure_normalisation
from zooscope_zoo.training.own_percentiles import OwnPercentiles
from zooscope_zoo.training.pairs import RestorationPatches, Scene, load_scenes, notes

PLAIN = AugmentConfig(flips=False, gain=(1, 1), offset=(0, 0), noise=0)
AS_IT_IS = Normalisation((0.0,), (1.0,), (0.0,), (1.0,))


@pytest.fixture(scope="module")
def noisy() -> Dataset:
    """Ten images, each with its clean one, and how the noise was made."""
    return load_dataset("demo-noisy")


@pytest.fixture(scope="module")
def frames(noisy: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two scenes, of the first three frames, of the second one."""
    first, second = list(noisy)[:2]
    rng = np.random.default_rng(0)
    samples = [
        Sample(f"frame-{n}", first.image + rng.normal(0, 5, first.image.shape).astype(np.float32), first.target, "a")
        for n in range(3)
    ]
    folder = tmp_path_factory.mktemp("frames") / "frames"
    write_folder(folder, [(s, "train") for s in [*samples, second]], task=Task.RESTORATION)
    return load_dataset(folder)


def scenes_of(data: Dataset, teacher: Teacher) -> list[Scene]:
    return load_scenes(data, data.ids, channels=1, teacher=teacher, label="", progress=False)


def patches_of(scenes: Sequence[Scene], teacher: Teacher, *, fresh: bool = False, px: int = 32) -> RestorationPatches:
    training = TrainingConfig(batch=1, patch_px=px, steps=10, fresh_noise=fresh)
    return RestorationPatches(scenes, teacher, AS_IT_IS, training, PLAIN)


def place_in(patch: np.ndarray, image: np.ndarray) -> tuple[int, int] | None:
    windows = np.lib.stride_tricks.sliding_window_view(image, patch.shape)
    rows, columns = np.nonzero(windows[..., 0, 0] == patch[0, 0])
    found = (place for place in zip(rows.tolist(), columns.tolist(), strict=True))
    return next((place for place in found if np.array_equal(windows[place], patch)), None)


def place_near(patch: np.ndarray, image: np.ndarray) -> tuple[int, int] | None:
    """Where it was cut from, up to rounding."""
    nearly = {"atol": 1e-5 * float(np.ptp(image)), "rtol": 0.0}
    windows = np.lib.stride_tricks.sliding_window_view(image, patch.shape)
    rows, columns = np.nonzero(np.isclose(windows[..., 0, 0], patch[0, 0], **nearly))
    found = (place for place in zip(rows.tolist(), columns.tolist(), strict=True))
    return next((place for place in found if np.allclose(windows[place], patch, **nearly)), None)


def test_a_clean_teacher_gives_the_noisy_patch_and_the_same_place_of_the_clean_image(noisy: Dataset):
    one = noisy[noisy.ids[0]]
    patches = patches_of(scenes_of(noisy, "clean")[:1], "clean")
    for seed in range(5):
        image, target = patches.drawn(np.random.default_rng(seed))
        y, x = place_in(image[0], one.image.values) or (-1, -1)
        np.testing.assert_array_equal(target[0], one.target[y : y + 32, x : x + 32])


def test_images_of_one_truth_are_frames_of_one_scene_and_teach_each_other(frames: Dataset):
    scenes = scenes_of(frames, "noisy")
    assert sorted(len(scene.noisy) for scene in scenes) == [1, 3]
    three = next(scene for scene in scenes if len(scene.noisy) == 3)
    patches, seen = patches_of([three], "noisy"), set()
    for seed in range(30):
        image, target = patches.drawn(np.random.default_rng(seed))
        pair = [
            next(n for n, frame in enumerate(three.noisy) if place_in(part[0], frame[0])) for part in (image, target)
        ]
        assert pair[0] != pair[1]
        seen.add(tuple(pair))
    assert len(seen) == 6
    (note,) = notes(frames, scenes, teacher="noisy", patch_px=32, fresh=False)
    assert "1 of 2 scenes have a single noisy image" in note


def test_noise_drawn_anew_differs_each_time_and_has_the_cards_strength(noisy: Dataset):
    scene = scenes_of(noisy, "clean")[0]
    patches = patches_of([scene], "clean", fresh=True, px=128)
    (first, clean), (second, _) = (patches.drawn(np.random.default_rng([7, n])) for n in range(2))
    assert not np.array_equal(first, second)
    # gain 10 grey levels a photon, reading noise of 10 levels
    expected = (10 * clean + 100).mean()
    assert ((first - clean) ** 2).mean() == pytest.approx(expected, rel=0.05)
    first, second = patches_of([scene], "noisy", fresh=True, px=128).drawn(np.random.default_rng(3))
    assert ((first - second) ** 2).mean() == pytest.approx(2 * (10 * scene.clean.mean() + 100), rel=0.6)


def test_noise_is_not_drawn_anew_where_the_card_blurs_too(noisy: Dataset):
    blurred = replace(noisy, card=noisy.card.model_copy(update={"blur": GaussianBlur(kind="gaussian", sigma_px=2)}))
    assert scenes_of(noisy, "clean")[0].noise is not None
    assert scenes_of(blurred, "clean")[0].noise is None


def test_the_image_itself_is_taken_from_any_data_set_also_one_with_objects(demo: Dataset):
    gray = demo.only("validation")
    for scene in scenes_of(gray, "itself"):
        image, target = patches_of([scene], "itself").fixed(0, np.random.default_rng(0))
        np.testing.assert_array_equal(image, target)
        assert scene.clean is None


def test_what_would_change_the_noise_is_refused(noisy: Dataset):
    augment = AugmentConfig(gain=(0.5, 2), offset=(0, 0), noise=0)
    with pytest.raises(UsageError, match=r"augment.gain=\(0.5, 2.0\): it would change the noise"):
        RestorationPatches([], "clean", AS_IT_IS, TrainingConfig(), augment)


def test_images_are_scaled_by_the_mean_and_deviation_of_all_and_back(noisy: Dataset):
    images = [sample.image.values[None] for sample in noisy]
    found = measure_normalisation(images)
    everything = np.concatenate([image.ravel() for image in images]).astype(np.float64)
    assert found.mean[0] == pytest.approx(everything.mean(), rel=1e-5)
    assert found.std[0] == pytest.approx(everything.std(), rel=1e-5)
    np.testing.assert_allclose(found.undone(found.image(images[0])[None])[0], images[0], atol=1e-4)


@pytest.mark.parametrize("fresh", [False, True])
def test_by_percentiles_patches_and_their_targets_are_scaled_as_the_whole_image_is(noisy: Dataset, fresh: bool):
    scenes = scenes_of(noisy, "clean")[:2]
    training = TrainingConfig(batch=1, patch_px=32, steps=10, fresh_noise=fresh)
    patches = RestorationPatches(scenes, "clean", OwnPercentiles(), training, PLAIN)
    scaled: list[np.ndarray] = []
    for scene in scenes:
        assert scene.clean is not None
        low, high = np.percentile(scene.noisy[0], (3, 99.8))
        scaled.append(((scene.clean - low) / (high - low + 1e-6)).astype(np.float32))
    rng = np.random.default_rng(1)
    pairs = [*(patches.drawn(rng) for _ in range(5)), patches.fixed(0, rng), patches.fixed(1, rng)]
    for first, target in pairs:
        assert any(place_near(target[0], image[0]) is not None for image in scaled)
        noise = float(np.std(first - target))
        assert 0 < noise < 0.5
        assert abs(float(np.mean(first - target))) < noise / 4


def test_by_percentiles_a_second_noisy_image_is_scaled_as_the_first_is(frames: Dataset):
    (scene,) = [scene for scene in scenes_of(frames, "noisy") if len(scene.noisy) == 3]
    training = TrainingConfig(batch=1, patch_px=32, steps=10)
    patches = RestorationPatches([scene], "noisy", OwnPercentiles(), training, PLAIN)
    rng = np.random.default_rng(1)
    for _ in range(5):
        first, second = (patch[0] for patch in patches.drawn(rng))
        agreeing = 0
        for own in scene.noisy:
            low, high = np.percentile(own, (3, 99.8))
            place = place_near(first * (high - low) + low, own[0])
            others = [place_near(second * (high - low) + low, other[0]) for other in scene.noisy if other is not own]
            agreeing += place is not None and place in others
        assert agreeing == 1


def test_an_image_of_almost_one_value_cannot_be_scaled_by_its_percentiles(noisy: Dataset):
    scenes = scenes_of(noisy, "clean")[:2]
    dark = np.zeros((1, 64, 64), np.float32)
    dark[0, 3, 3] = 200
    empty = Scene("dark", "mine@1", (dark,), dark)
    with pytest.raises(DataError, match=r"mine@1, image 'dark': almost all of it is of one value.*training-set"):
        RestorationPatches([*scenes, empty], "clean", OwnPercentiles(), TrainingConfig(), PLAIN)
    RestorationPatches([*scenes, empty], "clean", AS_IT_IS, TrainingConfig(), PLAIN)


@pytest.mark.parametrize(
    ("method", "data", "reason"),
    [
        ("richardson-lucy", "demo-noisy", "wants all images scaled alike, for its zero is no light"),
        ("pn2v", "demo-noisy", "wants all images scaled alike, for the noise that it knows is in their units"),
        ("hdn", "demo-noisy", "wants all images scaled alike, for the noise that it knows is in their units"),
        ("unet", "demo", "unet finds objects, and its images are scaled by their own percentiles in any case"),
    ],
)
def test_a_method_that_cannot_scale_each_image_on_its_own_says_so(method: str, data: str, reason: str, tmp_path: Path):
    changes = ["training.normalisation=percentiles"]
    with pytest.raises(UsageError, match=f"training.normalisation=percentiles: .*{reason}"):
        train(method, [data], tmp_path / "run", changes=changes, progress=False, say=lambda line: None)
    assert not (tmp_path / "run").exists()


def test_a_scale_beside_the_image_is_stretched_but_not_moved():
    normalisation = Normalisation((10.0,), (2.0,), (20.0,), (4.0,))
    maps = np.stack([np.full((3, 3), 1.5, np.float32), np.full((3, 3), 0.5, np.float32)])[None]
    undone = normalisation.undone(maps)
    assert undone[0, 0, 0, 0] == 26
    assert undone[0, 1, 0, 0] == 2


def test_a_folder_of_objects_is_no_data_for_a_method_that_needs_pairs(demo: Dataset, tmp_path: Path):
    with pytest.raises(UsageError, match="care learns from pairs of images"):
        train("care", ["demo"], tmp_path / "run", progress=False, say=lambda line: None)


def test_a_folder_of_noisy_images_alone_is_learned_from_by_what_needs_no_other(noisy: Dataset, tmp_path: Path):
    folder = tmp_path / "alone"
    write_folder(folder, [(sample, "test") for sample in list(noisy)[:3]], task=Task.RESTORATION)
    shutil.rmtree(folder / "clean")
    (folder / "groups.csv").unlink()
    said: list[str] = []
    quick = ("training.steps=2", "training.validate_every=1", "training.workers=0", "network.width=4")
    train("noise2void", [folder], tmp_path / "run", changes=quick, progress=False, say=said.append)
    package = export(tmp_path / "run", tmp_path / "package.zip", publisher=Publisher(authors=("a test",)))
    with zipfile.ZipFile(package) as archive:
        assert "The data has no clean images, so nothing was scored" in archive.read("README.md").decode()
    for name, what in (("care", "'test' has images alone"), ("stardist", "'test' has images alone")):
        with pytest.raises(UsageError, match=what):
            train(name, [folder], tmp_path / name, changes=quick[:1], progress=False, say=said.append)
    with pytest.raises(UsageError, match="'test' has images alone"):
        plan_rows([str(package)], load_dataset(folder))
