"""HDN's ladder: the same draws for the same noise, other ones for other noise, and levels that take their prior."""

import pytest
import torch

from zooscope.data import load_dataset
from zooscope_zoo.hdn.network import LadderVAE


@pytest.fixture
def image() -> torch.Tensor:
    noisy = next(iter(load_dataset("demo-noisy", split="test"))).image.values[:64, :64]
    return torch.from_numpy((noisy - noisy.mean()) / noisy.std())[None, None]


@pytest.fixture
def network() -> LadderVAE:
    torch.manual_seed(0)
    return LadderVAE(levels=2, width=16, latent=8).eval()


def drawn(network: LadderVAE, image: torch.Tensor, seed: int, prior_levels: int = 0) -> tuple[torch.Tensor, list]:
    noise = network.standard_noise(image, torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        return network.sampled(network.encode(image), noise, prior_levels=prior_levels)


def test_a_draw_depends_on_its_noise_alone(network: LadderVAE, image: torch.Tensor):
    first, again, other = (drawn(network, image, seed)[0] for seed in (1, 1, 2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert (first - other).abs().max() > 1e-4


def test_levels_that_take_their_prior_know_nothing_of_the_image(network: LadderVAE, image: torch.Tensor):
    _, (lower, upper) = drawn(network, image, 1, prior_levels=1)
    assert abs(float(lower)) < 1e-3, "nothing but rounding"
    assert float(upper) > 0.1
    everything, divergences = drawn(network, image, 1, prior_levels=2)
    assert all(abs(float(value)) < 1e-3 for value in divergences)
    torch.testing.assert_close(everything, drawn(network, -image, 1, prior_levels=2)[0])


def test_the_answer_of_a_package_is_decoded_from_the_means(network: LadderVAE, image: torch.Tensor):
    with torch.inference_mode():
        zeros = [torch.zeros_like(noise) for noise in network.standard_noise(image)]
        torch.testing.assert_close(network(image), network.sampled(network.encode(image), zeros)[0])
