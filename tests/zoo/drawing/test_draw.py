"""`zooscope draw`: what it writes of image files and of data sets."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from zooscope.cli import app
from zooscope.data import load_dataset
from zooscope.data.folder import write_folder
from zooscope.errors import UsageError
from zooscope.external import score_folder
from zooscope.outputfile import write_prediction
from zooscope.sample import Task
from zooscope.stack import PixelSize, open_stack
from zooscope.store import Results
from zooscope_zoo.drawing.files import draw_files
from zooscope_zoo.drawing.of_data import draw_dataset
from zooscope_zoo.drawing.pictures import window
from zooscope_zoo.drawing.sampler import Sampler


@pytest.fixture(scope="module")
def file(image: NDArray[np.generic], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image with a pixel size."""
    path = tmp_path_factory.mktemp("images") / "cells.tif"
    write_prediction(path, image, top=None, axes="yx", pixel_size=PixelSize(y_um=0.5, x_um=0.5))
    return path


@pytest.fixture(scope="module")
def drawn(hdn_run: Path, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its draws, made by the command line."""
    output = tmp_path_factory.mktemp("drawn")
    options = ["-n", "4", "--device", "cpu", "--with-model", "nuclei-tiny"]
    told = CliRunner().invoke(app, ["draw", str(hdn_run), str(file), "-o", str(output), *options])
    assert told.exit_code == 0, told.output
    assert "cells: 4 draws, deviation" in told.output
    return output / "cells"


def test_draws_mean_and_deviation_are_images_of_the_files_axes_and_pixel_size(
    drawn: Path, sampler: Sampler, image: NDArray[np.generic]
):
    draws = np.stack([tifffile.imread(drawn / f"draw-0{k}.tif") for k in (1, 2, 3, 4)])
    np.testing.assert_allclose(draws, np.stack(list(sampler.draws(image, 4)))[:, 0], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(tifffile.imread(drawn / "mean.tif"), draws.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(tifffile.imread(drawn / "deviation.tif"), draws.std(axis=0, ddof=1), atol=1e-4)
    for name in ("draw-01", "mean", "deviation", "agreement"):
        with open_stack(drawn / f"{name}.tif") as stack:
            assert (stack.axes, stack.pixel_size.x_um) == ("yx", pytest.approx(0.5))


def test_pictures_can_be_opened(drawn: Path):
    with Image.open(drawn / "draws.gif") as animation:
        assert animation.n_frames == 4
        assert animation.info["loop"] == 0
    for name in ("sheet.png", "agreement.png"):
        with Image.open(drawn / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 10


def test_agreement_is_the_share_of_draws_with_an_object(drawn: Path):
    share = tifffile.imread(drawn / "agreement.tif")
    assert set(np.unique(share)) <= {0, 0.25, 0.5, 0.75, 1}
    with (drawn / "objects.csv").open(newline="") as table:
        rows = {row["image"]: int(row["objects"]) for row in csv.DictReader(table)}
    assert list(rows) == ["draw-1", "draw-2", "draw-3", "draw-4", "mean", "input"]
    assert (share > 0).any() == any(count for name, count in rows.items() if name.startswith("draw"))


def test_what_is_there_stays_unless_told(hdn_run: Path, file: Path, drawn: Path):
    with pytest.raises(UsageError, match="exists; --overwrite replaces it, --resume keeps it"):
        list(draw_files(hdn_run, [file], drawn.parent, n=1))
    assert list(draw_files(hdn_run, [file], drawn.parent, n=1, resume=True)) == []


def test_an_image_that_fails_costs_itself_alone_and_leaves_nothing(hdn_run: Path, file: Path, tmp_path: Path):
    stack = tmp_path / "stack.tif"
    write_prediction(stack, np.zeros((3, 32, 32), np.float32), top=None, axes="tyx", pixel_size=PixelSize())
    outcomes = list(draw_files(hdn_run, [stack, file], tmp_path / "out", n=1, device="cpu"))
    assert "a stack of 3 planes" in outcomes[0].reason
    assert not outcomes[1].reason
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["cells"]


def test_a_model_that_restores_has_no_objects_to_agree_on(hdn_run: Path, file: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="it restores images"):
        list(draw_files(hdn_run, [file], tmp_path, with_model="care-dsb2018-noisy"))


def test_of_a_large_image_pictures_show_where_draws_differ():
    deviation = np.zeros((1, 300, 900))
    deviation[0, 200:260, 700:800] = 1
    y, x = window(deviation)
    assert (y.stop - y.start, x.stop - x.start) == (256, 256)
    assert deviation[0, y, x].sum() == deviation.sum()
    assert window(deviation[..., :320]) == (slice(0, 300), slice(0, 320))


@pytest.fixture(scope="module")
def three_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder of noisy and clean images."""
    folder = tmp_path_factory.mktemp("own") / "three"
    samples = list(load_dataset("demo-noisy", split="test"))[:3]
    write_folder(folder, [(sample, "test") for sample in samples], task=Task.RESTORATION)
    return folder


def test_means_of_a_data_set_can_be_scored_and_its_draws_are_checked(hdn_run: Path, three_images: Path, tmp_path: Path):
    output = tmp_path / "means"
    done = draw_dataset(hdn_run, three_images, output, n=3, device="cpu")
    assert done.images == 3
    data = load_dataset(three_images, split="test")
    result = score_folder(output, data, name="hdn-mmse-of-3", results=Results(tmp_path / "reports"))
    assert not result.failed
    told = json.loads((output / "calibration.json").read_text())
    assert (told["images"], told["draws"], told["split"]) == (3, 3, "test")
    assert sum(told["ranks"]) == pytest.approx(1, abs=1e-4)
    assert [one["nominal"] for one in told["central_intervals"]] == [0.5]
    with Image.open(output / "calibration.png") as picture:
        assert picture.width > 1000
    with pytest.raises(UsageError, match="exists"):
        draw_dataset(hdn_run, three_images, output)


def test_data_without_clean_images_cannot_be_checked(hdn_run: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="noisy and clean images are expected"):
        draw_dataset(hdn_run, "demo", tmp_path / "out")


def test_images_or_a_data_set_are_asked_for(hdn_run: Path, tmp_path: Path):
    told = CliRunner().invoke(app, ["draw", str(hdn_run), "-o", str(tmp_path)])
    assert isinstance(told.exception, UsageError)
    assert "images or --dataset" in str(told.exception)
