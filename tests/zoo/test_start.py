"""`--init`: a training starts from a run, from a package, or from a shipped model."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from zooscope import plugins
from zooscope.errors import UsageError
from zooscope.model import find_package
from zooscope_zoo.method import Method, NetworkConfig
from zooscope_zoo.start import start_weights
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
    weights = start_weights(str(run), *made("unet", "network.width=4", "network.depth=2"))
    assert same(dict(weights), RunFolder(run).read_weights("best"))


def test_a_shipped_model_and_its_package_are_the_same_weights():
    by_id = start_weights("stardist-dsb2018", *made("stardist"))
    by_package = start_weights(str(find_package("stardist-dsb2018")), *made("stardist"))
    floats = {name: value.float() for name, value in by_id.items()}
    assert same(floats, dict(by_package))
    assert find_run("stardist-dsb2018").started


def test_another_methods_weights_are_refused(run: Path):
    with pytest.raises(UsageError, match="weights of the method unet, not of stardist"):
        start_weights(str(run), *made("stardist"))


def test_a_network_of_other_settings_is_refused_with_those_to_take(run: Path):
    with pytest.raises(UsageError, match=r"train with .*--set network.width=4"):
        start_weights(str(run), *made("unet", "network.depth=2"))


def test_a_package_that_zooscope_did_not_make_is_refused():
    with pytest.raises(UsageError, match="a package that zooscope did not make"):
        start_weights("nuclei-tiny", *made("unet"))


def test_what_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(UsageError, match="does not exist"):
        start_weights(str(tmp_path / "nothing"), *made("unet"))
