"""PN2V: samples of each pixel's signal, weighed by a noise model that is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from skimage.data import camera

from zooscope import plugins
from zooscope.data import load_dataset
from zooscope.data.card import find_card
from zooscope.data.noise import noisy_patch
from zooscope.metrics import measure
from zooscope.sample import Task
from zooscope_zoo.nn.noise_model import GaussianMixture
from zooscope_zoo.packaging.trained import read_run
from zooscope_zoo.pn2v.method import PN2VConfig, at_spots
from zooscope_zoo.pn2v.network import SampledDenoiser
from zooscope_zoo.train import train
from zooscope_zoo.training.blind_spots import blind_spots
from zooscope_zoo.training.run_folder import RunFolder

METHOD = plugins.load("methods", "pn2v")
SMALL = PN2VConfig(width=8, depth=1, samples=5, components=1, degree=1, share=0.1, seen_weight=0)


class Answers(SampledDenoiser):
    """A network that gives these samples whatever it sees, under noise of variance 1 + signal / 2 from 0 to 10."""

    def __init__(self, samples: torch.Tensor, *, unit: float = 1.0) -> None:
        super().__init__(width=8, depth=1, samples=samples.shape[1], components=1, degree=1)
        model = GaussianMixture(1, 1)
        model.high = torch.tensor(10.0)
        model.variances[0] = torch.tensor([1.0, 5.0])
        self.noise[0] = model.rescaled(zero=0, unit=unit)
        self._answer = samples / unit

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self._answer


@pytest.fixture
def samples() -> torch.Tensor:
    return 10 * torch.rand(1, 5, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def observed() -> torch.Tensor:
    return 12 * torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1)) - 1


def test_the_answer_is_the_mean_of_the_samples_weighed_by_their_likelihood(samples, observed):
    with torch.inference_mode():
        found = Answers(samples)(observed)[0].numpy()
    s, x = samples[0].double().numpy(), observed[0].double().numpy()
    p = stats.norm(s, np.sqrt(1 + s / 2)).pdf(x)
    np.testing.assert_allclose(found[0], (p * s).sum(0) / p.sum(0), rtol=1e-4)
    np.testing.assert_allclose(found[1], s.mean(0), rtol=1e-5)


def test_the_loss_is_that_of_the_mean_likelihood_below_that_of_the_value_itself(samples, observed):
    network = Answers(samples)
    torch.manual_seed(0)
    found = METHOD.terms(network, observed, observed, SMALL)
    torch.manual_seed(0)
    _, spots = blind_spots(observed, share=SMALL.share, radius_px=SMALL.radius_px, replacement="uniform")
    s, x = (at_spots(values, spots).double().numpy() for values in (samples, observed))
    p = stats.norm(s, np.sqrt(1 + s / 2)).pdf(x).mean(1, keepdims=True)
    at_best = stats.norm(x, np.sqrt(1 + x.clip(0, 10) / 2)).pdf(x)
    assert float(found["log-likelihood"]) == pytest.approx(float(np.log(at_best / p).mean()), rel=1e-4)


def test_the_loss_is_the_same_in_any_unit_of_intensity(samples, observed):
    losses = []
    for unit in (1.0, 50.0):
        torch.manual_seed(0)
        network = Answers(samples, unit=unit)
        losses.append(float(METHOD.terms(network, observed / unit, observed / unit, SMALL)["log-likelihood"]))
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_after_a_short_training_the_weighed_samples_and_their_mean_are_both_above_the_input(tmp_path: Path):
    settings = (
        *("training.steps=350", "training.validate_every=350", "training.warmup_steps=5", "training.batch=2"),
        *("training.learning_rate=5e-3", "training.patch_px=96", "training.workers=0", *METHOD.small),
    )
    train("pn2v", ["demo-noisy"], tmp_path / "run", changes=settings, progress=False, say=lambda line: None)
    folder = RunFolder(tmp_path / "run")
    config = METHOD.config.model_validate(folder.config().network)
    network, normalisation = METHOD.network(config).eval(), folder.normalisation()
    network.load_state_dict(folder.read_weights("last"))
    assert normalisation
    found = []
    for sample in load_dataset("demo-noisy", split="test"):
        y, x = (size // 2 * 2 for size in sample.target.shape)
        image = sample.image.values[:y, :x].astype(np.float32)
        with torch.inference_mode():
            maps = network(torch.from_numpy(normalisation.image(image[None]))[None]).numpy()
        restored, prior = normalisation.undone(maps, intensities=2)[0]
        found.append(
            [
                measure(each, sample.target[:y, :x], task=Task.RESTORATION)["psnr.range-gt"]
                for each in (restored, prior, image)
            ]
        )
    restored, prior, noisy = np.mean(found, axis=0)
    assert min(restored, prior) > noisy + 3


def test_in_a_trained_network_weighing_the_samples_gains_a_decibel_on_their_mean():
    trained = read_run("pn2v-bsd68-poisson")
    noise = find_card("bsd68-poisson")[0].noise
    normalisation: Any = trained.normalisation
    assert noise
    clean = camera()[None, 128:384, 128:384].astype(np.float32)
    noisy = noisy_patch(clean, noise, np.random.default_rng(0))
    with torch.inference_mode():
        maps = trained.network()(torch.from_numpy(normalisation.image(noisy))[None]).numpy()
    restored, prior = normalisation.undone(maps, intensities=2)[0]
    found = [measure(each, clean[0], task=Task.RESTORATION)["psnr.range-gt"] for each in (restored, prior, noisy[0])]
    assert found[0] > found[1] + 1 > found[2] + 4
