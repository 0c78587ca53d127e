"""`zooscope noise-model` on the embedded noisy nuclei."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from zooscope.cli import app
from zooscope.errors import ZooscopeError
from zooscope_zoo.noise_models.files import read_header

DATA = ["--dataset", "demo-noisy"]
SMALL = ["--components", "1", "--degree", "1"]


def call(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["noise-model", *map(str, arguments)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_a_model_fitted_to_a_data_set_is_plotted_and_passes_its_check_on_images_held_out(tmp_path: Path):
    model, picture = tmp_path / "camera.safetensors", tmp_path / "camera.png"
    assert "read noise" in call("fit", *DATA, *SMALL, "-o", model)
    assert "log-likelihood of" in call("check", model, *DATA)
    call("plot", model, "-o", picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_strata_choose_the_images_that_are_fitted_and_checked(tmp_path: Path):
    whole, part = tmp_path / "whole.safetensors", tmp_path / "part.safetensors"
    call("fit", *DATA, *SMALL, "-o", whole)
    call("fit", *DATA, *SMALL, "--strata", "fluorescence-256x256", "-o", part)
    about, of_all = (read_header(path)["about"] for path in (part, whole))
    assert 0 < about["pixels"] < of_all["pixels"]
    assert about["source"].endswith(", fluorescence-256x256")
    assert "fluorescence-256x256" in call("check", part, *DATA, "--strata", "fluorescence-256x256")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--stack", "frames.tif", "--strata", "Confocal"],
            "--strata Confocal chooses among the images of a --dataset",
        ),
        ([*DATA, "--strata", "Confocal"], "no stratum matches 'Confocal'"),
        ([], "one of --stack FILE"),
    ],
)
def test_what_cannot_be_measured_is_named_and_nothing_is_written(arguments: list[str], message: str, tmp_path: Path):
    with pytest.raises(ZooscopeError, match=message):
        call("fit", *arguments, "-o", tmp_path / "camera.safetensors")
    assert not list(tmp_path.iterdir())
