"""Noise models group by group: what the table tells of known noise, and what PN2V makes of the images by them."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from skimage.data import camera

from zooscope.data import load_dataset
from zooscope.data.folder import write_folder
from zooscope.sample import Sample, Task, as_image

RUN = "pn2v-bsd68-poisson"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of a photograph: under weak noise, and under strong noise that is correlated along x."""
    rng = np.random.default_rng(0)
    noises: dict[str, Callable[[], NDArray[np.floating]]] = {
        "weak": lambda: rng.normal(0, 5, (121, 128)),
        "correlated": lambda: uniform_filter1d(rng.normal(0, 90, (121, 128)), 5, axis=1),
    }
    samples: list[tuple[Sample, str]] = []
    for group, noise in noises.items():
        for part, split in enumerate(("train", "validation", "test")):
            clean = camera()[part::3][:121, 128:256].astype(np.float32)
            image = as_image((clean + noise()).astype(np.float32), axes="yx", source=group)
            samples.append((Sample(f"{group}-{split}", image, clean, group=group, stratum=group), split))
    folder = tmp_path_factory.mktemp("data") / "parts"
    write_folder(folder, samples, task=Task.RESTORATION)
    return folder


def test_a_groups_own_model_finds_its_pixels_likelier_and_correlated_noise_is_told(
    load_tool: Callable[[str], ModuleType], data: Path
) -> None:
    by_group = load_tool("noise_by_group")
    dataset = load_dataset(data)
    rows = {row["group"]: row for row in by_group.measured(dataset)}
    for row in rows.values():
        found = row["log_likelihood"]
        assert found["own"] == found["stratum"] > found["all"] + 0.1
    assert rows["weak"]["correlation"] == pytest.approx((0, 0), abs=0.05)
    assert rows["correlated"]["correlation"] == pytest.approx((0.8, 0), abs=0.08)
    low, high = rows["weak"]["read_noise"][1:]
    assert low - 0.5 < 5 < high + 0.5
    table = by_group.markdown(dataset, list(rows.values()))
    assert "| weak | weak |" in table


def test_weakly_disturbed_images_are_kept_when_their_groups_own_noise_weighs(
    load_tool: Callable[[str], ModuleType], data: Path, tmp_path: Path
) -> None:
    write = load_tool("pn2v_images").write
    found = {}
    for name, by_group, prior in (("trained", False, False), ("group", True, False), ("prior", False, True)):
        write(RUN, str(data), tmp_path / name, by_group=by_group, prior=prior, strata="weak")
        (file,) = (tmp_path / name).iterdir()
        assert file.name == "weak-test.npy"
        found[name] = np.load(file)
    clean = load_dataset(data)["weak-test"].target
    error = {name: float(np.square(image - clean).mean()) for name, image in found.items()}
    assert found["group"].shape == clean.shape == (121, 128)
    assert error["group"] < 0.5 * error["trained"] < error["prior"]
