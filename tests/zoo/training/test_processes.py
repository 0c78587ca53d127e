"""One training in two processes, as torchrun starts them on two GPUs; here both are on the CPU."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from zooscope import plugins
from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope_zoo.training.config import make_config
from zooscope_zoo.training.images import load_images, split_samples
from zooscope_zoo.training.object_patches import ObjectPatches
from zooscope_zoo.training.patches import Steps
from zooscope_zoo.training.run_folder import RunFolder

CHANGES = (
    *("training.steps=1", "training.batch=2", "training.patch_px=64", "training.workers=0"),
    *("network.width=8", "network.depth=2"),
)
Run = tuple[RunFolder, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def images(demo: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four gray images as a user's folder."""
    folder = tmp_path_factory.mktemp("two") / "mine"
    write_folder(folder, [(sample, "train") for sample in demo if sample.axes == "yx"][:4])
    return folder


@pytest.fixture(scope="module")
def launch(images: Path) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """`launch(output)`: train there in two processes."""

    def run(output: Path) -> subprocess.CompletedProcess[str]:
        launcher = ["torch.distributed.run", "--nproc-per-node", "2", "--no-python"]
        verb = ["from zooscope.cli import main; main()", "train", "unet", str(images), "-o", str(output)]
        settings = [word for change in CHANGES for word in ("--set", change)]
        command = [sys.executable, "-m", *launcher, sys.executable, "-c", *verb, *settings]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)

    return run


@pytest.fixture(scope="module")
def launched(
    launch: Callable[[Path], subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """A run of two processes, and what they printed."""
    output = tmp_path_factory.mktemp("runs") / "both"
    done = launch(output)
    assert done.returncode == 0, done.stderr
    return RunFolder(output), done


def test_a_step_is_the_mean_of_the_gradients_of_both_processes_own_patches(launched: Run, images: Path):
    method = plugins.load("methods", "unet")
    config, settings = make_config(method, [str(images)], CHANGES)
    data = load_dataset(images)
    ids, _ = split_samples(data, strata=config.training.strata)

    def planes(labels: np.ndarray) -> np.ndarray:
        return method.planes(labels, settings)

    def targets(labels: np.ndarray, planes: np.ndarray) -> np.ndarray:
        return method.targets(labels, planes, settings)

    loaded = load_images(data, ids, channels=1, planes=planes, label="", progress=False)
    torch.manual_seed(config.training.seed)
    network = method.network(settings)
    for process in range(2):
        source = ObjectPatches(loaded, targets, config.training, config.augment)
        patches, wanted = Steps(source, config.training, process=process)[0]
        loss = sum(method.loss(network.logits(patches), wanted, settings).values())
        (loss / 2).backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), config.training.clip_norm)
    state = launched[0].read_state()
    assert state
    moments = state["optimiser"]["state"]
    for index, parameter in enumerate(network.parameters()):
        torch.testing.assert_close(moments[index]["exp_avg"], 0.1 * parameter.grad, rtol=1e-2, atol=1e-5)


def test_one_of_them_speaks_and_writes(launched: Run):
    folder, done = launched
    assert done.stdout.count("images, 1 steps") == 1
    assert done.stdout.count("weights: ") == 1
    assert len(list((folder.path / "tensorboard").iterdir())) == 1
    assert json.loads((folder.path / "about.json").read_text())["data"][0]["images"] > 0


def test_a_folder_that_holds_another_training_is_refused_and_left_as_it_is(launched: Run, launch):
    folder = launched[0].path
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = launch(folder)
    assert done.returncode != 0
    assert "a training began here; --resume goes on with it" in done.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
