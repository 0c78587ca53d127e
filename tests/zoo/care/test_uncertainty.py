"""CARE's Laplace loss: the scale that it learns is that of the errors."""

import math

import pytest
import torch

from zooscope_zoo.care.method import METHOD, CAREConfig


class _Constant(torch.nn.Module):
    """A network that gives one value and one scale everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(0.3))
        self.log_scale = torch.nn.Parameter(torch.tensor(1.0))

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """Both for every pixel."""
        return torch.stack([self.value.expand(image.shape[2:]), self.log_scale.expand(image.shape[2:])])[None]


def test_the_best_scale_is_the_mean_absolute_error_and_the_best_value_the_median():
    torch.manual_seed(0)
    truth = torch.distributions.Laplace(1.5, 0.4).sample((1, 1, 64, 64))
    network, config = _Constant(), CAREConfig(loss="laplace")
    optimiser = torch.optim.LBFGS(network.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = METHOD.terms(network, torch.zeros(1, 1, 64, 64), truth, config)["laplace"]
        loss.backward()
        return loss

    optimiser.step(closure)
    assert float(network.value.detach()) == pytest.approx(float(truth.median()), abs=0.02)
    error = float((truth - truth.median()).abs().mean())
    assert math.exp(float(network.log_scale.detach())) == pytest.approx(error, rel=0.02)


def test_the_package_gives_the_scale_itself_and_names_it():
    config = CAREConfig(loss="laplace", width=4, depth=1)
    network = METHOD.network(config).eval()
    image = torch.rand(1, 1, 16, 16)
    maps, logits = network(image), network.logits(image)
    assert METHOD.map_names(config) == ("restored", "scale_restored")
    torch.testing.assert_close(maps[:, 1:], logits[:, 1:].exp())
    torch.testing.assert_close(maps[:, :1], logits[:, :1])
