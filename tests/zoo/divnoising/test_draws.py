"""DivNoising: restores, draws images that differ, and begins anew when its posterior collapses."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from zooscope import plugins
from zooscope.data import load_dataset
from zooscope.metrics import measure
from zooscope.sample import Task
from zooscope_zoo.divnoising.method import DivNoising, DivNoisingConfig
from zooscope_zoo.train import train
from zooscope_zoo.training.normalisation import Normalisation
from zooscope_zoo.training.run_folder import RunFolder
from zooscope_zoo.variational import COLLAPSED_NATS

METHOD = plugins.load("methods", "divnoising")
DRAWS = 8

QUICK = (
    *("training.warmup_steps=5", "training.batch=2", "training.patch_px=64", "training.workers=0"),
    *("network.width=8", "network.depth=1", "network.latent=8", "network.anneal_steps=20"),
    "training.learning_rate=1e-3",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A short training, whose packages give fixed draws beside the image."""
    folder = tmp_path_factory.mktemp("runs") / "divnoising"
    settings = (
        *("training.batch=2", "training.patch_px=96", "training.workers=0", "training.warmup_steps=5"),
        *("training.validate_every=150", *METHOD.small, f"network.draws={DRAWS}"),
    )
    train("divnoising", ["demo-noisy"], folder, changes=settings, progress=False, say=lambda line: None)
    return RunFolder(folder)


def _trained(run: RunFolder) -> tuple[torch.nn.Module, Normalisation]:
    network = METHOD.network(METHOD.config.model_validate(run.config().network)).eval()
    network.load_state_dict(run.read_weights(METHOD.keeps))
    normalisation = run.normalisation()
    assert isinstance(normalisation, Normalisation)
    return network, normalisation


def test_its_fixed_draws_differ_and_their_mean_is_better_than_each(run: RunFolder):
    network, normalisation = _trained(run)
    multiple = METHOD.multiple_px(METHOD.config.model_validate(run.config().network))
    for sample in load_dataset("demo-noisy", split="test"):
        y, x = (size // multiple * multiple for size in sample.target.shape)
        image = torch.from_numpy(normalisation.image(sample.image.values[None, :y, :x].astype(np.float32)))[None]
        with torch.inference_mode():
            maps, again = network(image).numpy(), network(image).numpy()
        np.testing.assert_array_equal(maps, again)
        _, *draws = normalisation.undone(maps, intensities=1 + DRAWS)[0]
        assert len(draws) == DRAWS
        assert all(np.abs(one - other).max() > 1 for one, other in itertools.pairwise(draws)), "grey levels"
        *each, of_mean = (
            measure(image, sample.target[:y, :x], task=Task.RESTORATION)["psnr.range-gt"]
            for image in (*draws, np.mean(draws, axis=0))
        )
        assert of_mean > max(each)


def test_with_the_noise_that_the_card_states_it_leaves_less_than_a_quarter_of_its_power(tmp_path: Path):
    changes = (*QUICK, "network.noise=mixture", "training.learning_rate=5e-3", "training.steps=150")
    train("divnoising", ["demo-noisy"], tmp_path, changes=changes, progress=False, say=lambda line: None)
    network, normalisation = _trained(RunFolder(tmp_path))
    for sample in load_dataset("demo-noisy", split="test"):
        noisy = sample.image.values.astype(np.float32)
        with torch.inference_mode():
            found = network(torch.from_numpy(normalisation.image(noisy[None]))[None]).numpy()
        before, after = (
            measure(image, sample.target, task=Task.RESTORATION)["psnr.range-gt"]
            for image in (noisy, normalisation.undone(found, intensities=1)[0, 0])
        )
        assert after > before + 6


def _first_is_dead(monkeypatch: pytest.MonkeyPatch, *, deaths: int) -> list[torch.nn.Module]:
    """The first so many networks encode the prior, whatever the image; of zeros no gradient leads away."""
    made: list[torch.nn.Module] = []
    real = DivNoising.network

    def network(self: DivNoising, config: DivNoisingConfig) -> torch.nn.Module:
        found = real(self, config)
        made.append(found)
        if len(made) <= deaths:
            for name, parameter in found.named_parameters():
                if name.startswith(("encoder.", "posterior_of.")):
                    torch.nn.init.zeros_(parameter)
        return found

    monkeypatch.setattr(DivNoising, "network", network)
    return made


def test_a_training_whose_posterior_collapses_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    made = _first_is_dead(monkeypatch, deaths=2)  # one counts parameters, one is trained
    changes = (*QUICK, "training.steps=60", "training.validate_every=10")
    history = train("divnoising", ["demo-noisy"], tmp_path, changes=changes, progress=False, say=said.append)
    assert len(made) == 3
    assert [line.partition(":")[0] for line in said if "begins anew" in line] == ["step 10"]
    assert [entry["step"] for entry in history] == [20, 30, 40, 50, 60]
    assert history[-1]["validation/kl"] > COLLAPSED_NATS
    assert int(RunFolder(tmp_path).read_weights("last")["steps"]) == 50
    assert not any("train again" in line for line in said)


def test_one_that_begins_anew_and_is_stopped_resumes_to_the_same_losses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from zooscope_zoo.training import loop

    changes = (*QUICK, "training.steps=40", "training.validate_every=10")

    def trained(name: str, **how: bool) -> list[tuple[float, float]]:
        history = train(
            "divnoising", ["demo-noisy"], tmp_path / name, changes=changes, progress=False, say=lambda line: None, **how
        )
        return [(entry["step"], entry["validation/loss"]) for entry in history]

    _first_is_dead(monkeypatch, deaths=2)
    whole = trained("whole")
    monkeypatch.undo()
    real, calls = loop._step, []

    def dies(*args: object, **more: object) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 25:
            raise KeyboardInterrupt
        return real(*args, **more)

    _first_is_dead(monkeypatch, deaths=2)
    monkeypatch.setattr(loop, "_step", dies)
    with pytest.raises(KeyboardInterrupt):
        trained("cut")
    monkeypatch.setattr(loop, "_step", real)
    assert trained("cut", resume=True) == whole


def test_one_that_collapses_again_and_again_says_so_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    _first_is_dead(monkeypatch, deaths=100)
    changes = (*QUICK, "training.steps=40", "training.validate_every=10")
    train("divnoising", ["demo-noisy"], tmp_path, changes=changes, progress=False, say=said.append)
    assert sum("begins anew" in line for line in said) == 2
    assert "train again with another training.seed" in said[-2]
