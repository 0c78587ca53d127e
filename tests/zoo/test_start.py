"""`--init`: a training starts from a run, from a package, or from a shipped model."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from zooscope import plugins
from zooscope.data import Dataset
from zooscope.data.folder import write_folder
from zooscope.errors import UsageError
from zooscope.sources import find_package
from zooscope_zoo.method import Method, NetworkConfig
from zooscope_zoo.packaging.card import model_card
from zooscope_zoo.packaging.method_card import method_card
from zooscope_zoo.packaging.rdf import ours
from zooscope_zoo.packaging.shipped_weights import read_shipped
from zooscope_zoo.packaging.trained import read_run
from zooscope_zoo.start import find_start
from zooscope_zoo.train import train
from zooscope_zoo.training.config import make_config
from zooscope_zoo.training.run_folder import RunFolder, find_run


def made(method_id: str, *changes: str) -> tuple[Method, NetworkConfig]:
    method = plugins.load("methods", method_id)
    return method, make_config(method, ["demo"], changes)[1]


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name].float()) for name in first)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder of a small U-Net with random weights."""
    method = plugins.load("methods", "unet")
    config, network = make_config(method, ["demo"], ["network.width=4", "network.depth=2"])
    folder = RunFolder(tmp_path / "run")
    folder.begin(config, [])
    folder.write_weights("best", method.network(network).state_dict())
    return folder.path


def test_from_a_runs_folder_come_its_best_weights(run: Path):
    start = find_start(str(run), *made("unet", "network.width=4", "network.depth=2"))
    assert same(dict(start.weights), RunFolder(run).read_weights("best"))


def test_a_shipped_model_and_its_package_are_the_same_weights():
    by_id = find_start("stardist-dsb2018", *made("stardist"))
    by_package = find_start(str(find_package("stardist-dsb2018")), *made("stardist"))
    floats = {name: value.float() for name, value in by_id.weights.items()}
    assert same(floats, dict(by_package.weights))
    assert by_id.data[0]["digest"] == by_package.data[0]["digest"]
    assert find_run("stardist-dsb2018").started


def test_what_was_learned_before_is_told_with_the_run_in_its_package_and_on_its_card(tmp_path: Path, demo: Dataset):
    write_folder(tmp_path / "mine", [(sample, "train") for sample in demo if sample.axes == "yx"][:2])
    few = ("training.steps=1", "training.batch=1", "training.patch_px=64", "training.workers=0")
    init = "stardist-dsb2018"
    for name in ("first", "second"):
        output = tmp_path / name
        train("stardist", [tmp_path / "mine"], output, init=init, changes=few, progress=False, say=lambda line: None)
        init = str(output)
    measured = read_shipped("stardist-dsb2018").measured
    trained = read_run(tmp_path / "second")
    told = ours(trained, measured, with_decoder=True)
    assert [item["dataset"] for item in told["training_data"]] == ["mine", "mine", "dsb2018"]
    assert told["training_data"][-1]["splits"] == ["train"]
    assert told["started_from"] == "first"
    card = model_card("x", trained, method_card(trained.method), measured, (), output="", licence=None, cite=())
    assert "It started from the weights of `first`, which were trained on" in card
    assert "- `dsb2018` version 1, splits train, strata `fluorescence-*`: 408 images" in card


def test_a_training_killed_before_its_first_validation_goes_on_from_what_it_started_from(
    tmp_path: Path, demo: Dataset, monkeypatch: pytest.MonkeyPatch
):
    write_folder(tmp_path / "mine", [(sample, "train") for sample in demo if sample.axes == "yx"][:2])
    few = ("training.steps=2", "training.batch=1", "training.patch_px=64", "training.workers=0")

    def run(name: str, init: str | None = "stardist-dsb2018", *, resume: bool = False) -> RunFolder:
        data, said = [tmp_path / "mine"], lambda line: None
        train("stardist", data, tmp_path / name, init=init, changes=few, resume=resume, progress=False, say=said)
        return RunFolder(tmp_path / name)

    whole = run("whole")
    with monkeypatch.context() as patch:
        patch.setattr("zooscope_zoo.training.loop._step", lambda *args, **more: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run("cut")
    with pytest.raises(UsageError, match="it started from stardist-dsb2018, not from unet-dsb2018"):
        run("cut", "unet-dsb2018", resume=True)
    cut = run("cut", None, resume=True)
    assert same(whole.read_weights("last"), cut.read_weights("last"))
    assert cut.started_from() == "stardist-dsb2018"


def test_another_methods_weights_are_refused(run: Path):
    with pytest.raises(UsageError, match="weights of the method unet, not of stardist"):
        find_start(str(run), *made("stardist"))


def test_a_network_of_other_settings_is_refused_with_those_to_take(run: Path):
    with pytest.raises(UsageError, match=r"train with .*--set network.width=4"):
        find_start(str(run), *made("unet", "network.depth=2"))


def test_a_package_that_zooscope_did_not_make_is_refused():
    with pytest.raises(UsageError, match="a package that zooscope did not make"):
        find_start("nuclei-tiny", *made("unet"))


def test_what_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(UsageError, match="does not exist"):
        find_start(str(tmp_path / "nothing"), *made("unet"))
