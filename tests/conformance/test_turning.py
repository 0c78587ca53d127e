"""Every method's maps turn with the image, which test-time augmentation counts on."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from zooscope.data import Dataset
from zooscope.decode import find_decoder
from zooscope.metrics import measure
from zooscope.package import open_package
from zooscope_zoo.method import Method
from zooscope_zoo.packaging.architecture import architecture
from zooscope_zoo.packaging.trained import Trained
from zooscope_zoo.training.config import make_config

pytestmark = pytest.mark.task("instance-segmentation")

TURNS = ("flip_y", "flip_x", "transpose")


@pytest.fixture
def untrained(method: Method) -> Trained:
    """The method's small network with random weights, as export would see it."""
    run, config = make_config(method, ["demo"], method.small)
    torch.manual_seed(0)
    network = method.network(config)
    for parameter in network.parameters():
        if parameter.ndim > 1:  # some begin as zeros, which any turn leaves as they are
            torch.nn.init.kaiming_normal_(parameter)
    return Trained(method, run, config, network.state_dict(), data=())


def with_augmentation(trained: Trained) -> Any:
    """The network that `export --tta` packs."""
    network = architecture(trained, tta=True).build()
    network.load_state_dict(trained.weights)
    return network


def turned(values: torch.Tensor, turn: str, *, shift: int = 0) -> torch.Tensor:
    """Flipped or transposed; after a flip the first pixels go to the end, so that a grid keeps its pixels."""
    if turn == "transpose":
        return values.transpose(-2, -1)
    axis = -2 if turn == "flip_y" else -1
    return values.flip(axis).roll(-shift, axis)


@pytest.mark.parametrize("turn", TURNS)
def test_with_test_time_augmentation_maps_of_a_turned_image_are_the_turned_maps(untrained: Trained, turn: str):
    grid = untrained.method.grid(untrained.settings)
    edge = untrained.halo_px // grid + 1
    size = untrained.sizes.at_least(2 * untrained.halo_px + 48)
    network = with_augmentation(untrained).double()
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(1, 1, size, size, generator=generator, dtype=torch.float64)
    with torch.inference_mode():
        maps = network(image)
        answer = turned(network(turned(image, turn, shift=grid - 1)), turn)
        once = untrained.network().double()(image)
    again = torch.stack([sign * answer[:, place] for place, sign in getattr(untrained.turning, turn)], dim=1)
    inside = (..., slice(edge, -edge), slice(edge, -edge))
    torch.testing.assert_close(again[inside], maps[inside], atol=1e-9, rtol=1e-9)
    assert (once - maps)[inside].abs().max() > 1e-3 * maps.abs().max(), "without, they are not"


def test_with_test_time_augmentation_the_same_objects_are_found(trained: Trained, package: Path, demo: Dataset):
    opened = open_package(package)
    assert opened.decoder is not None
    decoder = find_decoder(opened.decoder.id)
    networks = {"once": trained.network(), "turned": with_augmentation(trained)}
    found = {name: Counter[str]() for name in networks}
    for sample in [sample for sample in demo if sample.axes == "yx"]:
        rows, columns = (slice(length // trained.sizes.step * trained.sizes.step) for length in sample.target.shape)
        truth = sample.target[rows, columns]
        ready, _ = opened.processing().begin(sample.image.values[None, rows, columns])
        for name, network in networks.items():
            with torch.inference_mode():
                maps = network(torch.from_numpy(ready)[None])[0].numpy()
            labels, _ = decoder.decode(maps, truth.shape, **opened.decoder.params)
            found[name].update(measure(labels, truth))
    assert found["turned"]["tp50"] > 0.95 * found["once"]["tp50"]
    assert found["turned"]["predicted"] < 1.1 * found["once"]["predicted"]
