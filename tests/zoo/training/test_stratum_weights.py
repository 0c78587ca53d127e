"""training.stratum_weights: images of some strata are drawn more often."""

from pathlib import Path

import numpy as np
import pytest

from zooscope import plugins
from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope.errors import UsageError
from zooscope_zoo.training.config import make_config
from zooscope_zoo.training.material import Material, prepare


@pytest.fixture(scope="module")
def folder(demo: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight fluorescence images and one of histology to train on, two to validate on."""
    path = tmp_path_factory.mktemp("weights") / "own"
    colour = [sample for sample in demo if sample.axes == "yxc"][:1]
    gray = [sample for sample in demo if sample.stratum == "fluorescence-256x256"]
    parts = ["train"] * 7 + ["validation"] * 2
    write_folder(path, [(colour[0], "train"), *zip(gray, parts, strict=True)])
    return path


def material(folder: Path, method: str, *changes: str) -> Material:
    found = plugins.load("methods", method)
    plain = ["augment.flips=false", "augment.gain=[1, 1]", "augment.offset=[0, 0]", "augment.noise=0"]
    settings = ["training.patch_px=256", "augment.zoom=[1, 1]", *plain, *changes]
    config, network = make_config(found, [str(folder)], settings)
    return prepare(found, config, network, [load_dataset(folder)], say=lambda line: None, progress=False)


def share_of_colour(folder: Path, *changes: str) -> float:
    """Of 240 patches; a patch is as large as a gray image, which it then is."""
    found = material(folder, "unet", *changes)
    rng = np.random.default_rng(0)
    seen = [found.training.drawn(rng)[0].tobytes() for _ in range(240)]
    whole = [key for key in set(seen) if seen.count(key) > 5]
    return 1 - sum(seen.count(key) for key in whole) / len(seen)


def test_images_are_drawn_as_often_as_the_weights_of_their_strata_say(folder: Path) -> None:
    assert share_of_colour(folder) == pytest.approx(1 / 8, abs=0.06)
    assert share_of_colour(folder, 'training.stratum_weights={"histology-*" = 7}') == pytest.approx(1 / 2, abs=0.1)


def test_the_first_pattern_that_fits_counts(folder: Path) -> None:
    weights = 'training.stratum_weights={"histology-256*" = 7, "*" = 1}'
    assert share_of_colour(folder, weights) == pytest.approx(1 / 2, abs=0.1)


def test_a_pattern_without_images_and_a_method_that_draws_all_alike_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"no stratum matches 'brightfield-\*'; there are fluorescence-256x256, hist"):
        material(folder, "unet", 'training.stratum_weights={"brightfield-*" = 2}')
    with pytest.raises(UsageError, match="noise2void restores images"):
        material(folder, "noise2void", 'training.stratum_weights={"histology-*" = 2}')
