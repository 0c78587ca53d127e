"""What every method's network must be like."""

import numpy as np
import pytest
import torch

from zooscope import plugins
from zooscope_zoo.method import Method
from zooscope_zoo.training.config import make_config


@pytest.mark.parametrize("channels", [1, 3])
def test_maps_have_the_size_of_the_image_over_the_grid(method: Method, channels: int) -> None:
    _, config = make_config(method, ["demo"], [*method.small, f"network.channels={channels}"])
    multiple = method.multiple_px(config)
    network = method.network(config).eval()
    with torch.inference_mode():
        maps = network(torch.rand(2, channels, 4 * multiple, 5 * multiple))
    assert maps.shape[2:] == (4 * multiple // method.grid(config), 5 * multiple // method.grid(config))
    names = method.map_names(config)
    assert maps.shape[1] == len(names) == len(set(names))
    assert all(name.isidentifier() for name in names)


@pytest.mark.task("instance-segmentation")
def test_targets_fit_the_logits_and_the_loss_is_finite_and_has_gradients(method: Method, demo) -> None:
    _, config = make_config(method, ["demo"], method.small)
    labels = next(sample for sample in demo if sample.axes == "yx").target[:128, :128]
    targets = method.targets(labels, method.planes(labels, config), config)
    network = method.network(config)
    logits = network.logits(torch.rand(1, 1, 128, 128))
    assert targets.shape[1:] == tuple(logits.shape[2:])
    loss = sum(method.loss(logits, torch.from_numpy(targets)[None], config).values())
    loss.backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.task("instance-segmentation")
def test_a_patch_without_objects_has_a_finite_loss(method: Method) -> None:
    _, config = make_config(method, ["demo"], method.small)
    labels = np.zeros((64, 64), np.int32)
    targets = torch.from_numpy(method.targets(labels, method.planes(labels, config), config))[None]
    loss = sum(method.loss(method.network(config).logits(torch.rand(1, 1, 64, 64)), targets, config).values())
    assert torch.isfinite(loss)


def test_no_pixel_outside_the_stated_receptive_field_matters_and_the_field_is_not_overstated(method: Method) -> None:
    _, config = make_config(method, ["demo"], method.small)
    field, multiple = method.describe(config).receptive_field_px, method.multiple_px(config)
    size = (field // multiple + 4) * multiple
    torch.manual_seed(0)
    network = method.network(config).eval()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, 0.01, 0.05)
    network = network.double()
    grid, reach = method.grid(config), 0
    places = range(size // 2 // grid, (size // 2 + multiple) // grid)
    for at in [*places] * 3:  # a max pooling hides pixels of one image that decide in another
        image = torch.rand(1, 1, size, size, dtype=torch.float64, requires_grad=True)
        asked = network.logits(image)[..., at, at]
        (gradient,) = torch.autograd.grad(asked.sum(), image)
        rows = gradient[0, 0].any(dim=1).nonzero() - at * grid
        reach = max(reach, int(rows.abs().max()))
        other = torch.rand(1, 1, size, size, dtype=torch.float64) + 1
        keep = slice(at * grid - field // 2, at * grid + field // 2 + 1)
        other[..., keep, keep] = image[..., keep, keep].detach()
        assert torch.equal(network.logits(other)[..., at, at], asked), "what lies outside does not matter"
    assert field == 2 * reach + 1


def test_it_is_found_by_its_own_id(method: Method) -> None:
    assert plugins.load("methods", method.id) is method


def test_it_describes_itself(method: Method) -> None:
    _, config = make_config(method, ["demo"])
    description = method.describe(config)
    assert description.parameters == sum(p.numel() for p in method.network(config).parameters())
    assert len(description.purpose) > 20
