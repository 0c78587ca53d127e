"""What the U-Net is asked to answer, and how far an answer is from it."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import find_boundaries

from zooscope import plugins
from zooscope.data import Dataset
from zooscope.decode import find_decoder
from zooscope.metrics import measure
from zooscope_zoo.unet.method import UNetConfig
from zooscope_zoo.unet.weightmap import part_touching

METHOD = plugins.load("methods", "unet")
CONFIGS = [
    *(UNetConfig(output="foreground", loss=loss) for loss in ("dice", "bce", "bce-dice", "weighted-bce")),
    *(UNetConfig(output="foreground-boundary", loss=loss) for loss in ("dice", "bce", "bce-dice", "weighted-bce")),
    UNetConfig(output="three-classes", loss="cross-entropy"),
]


@pytest.fixture(scope="module")
def labels(demo: Dataset) -> NDArray[np.int32]:
    """The demo's gray labels with the most objects, some of which touch."""
    return max((s for s in demo if s.axes == "yx"), key=lambda sample: int(sample.target.max())).target


def targets_of(labels: NDArray[np.int32], config: UNetConfig) -> NDArray[np.float32]:
    return METHOD.targets(labels, METHOD.planes(labels, config), config)


def perfect(targets: NDArray[np.float32], config: UNetConfig) -> torch.Tensor:
    """Logits (1, c, y, x) of a network that answers just that."""
    if config.output == "three-classes":
        classes = torch.nn.functional.one_hot(torch.from_numpy(targets[0]).long(), 3).movedim(-1, 0)
        return 40.0 * classes[None].float() - 20
    channels = 1 if config.output == "foreground" else 2
    return 40 * torch.from_numpy(targets[None, :channels]) - 20


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.output}-{config.loss}")
def test_the_right_answer_costs_nothing_and_each_wrong_pixel_something(
    config: UNetConfig, labels: NDArray[np.int32]
) -> None:
    targets = targets_of(labels, config)
    logits = perfect(targets, config)

    def loss(logits: torch.Tensor) -> float:
        return float(sum(METHOD.loss(logits, torch.from_numpy(targets)[None], config).values()))

    assert loss(logits) < 1e-6
    worse = logits.clone()
    worse[..., 100:110, 100:110] *= -1
    assert loss(logits) < loss(worse) < loss(-logits)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.output}-{config.loss}")
def test_the_right_answer_decodes_to_objects(config: UNetConfig, labels: NDArray[np.int32]) -> None:
    with torch.inference_mode():
        network = METHOD.network(config)
        network.logits = lambda image: perfect(targets_of(labels, config), config)
        maps = network(torch.zeros(1)).numpy()[0]
    found, _ = find_decoder(METHOD.decoder(config)).decode(maps, labels.shape)
    record = measure(found, labels)
    parted = config.output != "foreground" or config.loss == "weighted-bce"
    assert record["tp50"] > (0.9 if parted else 0.3) * record["true"]


def test_dice_is_one_less_the_coefficient_of_the_channels(labels: NDArray[np.int32]) -> None:
    config = UNetConfig(output="foreground-boundary", loss="dice")
    targets = targets_of(labels, config)
    found = np.random.default_rng(0).random(targets.shape)
    logits = torch.from_numpy(np.log(found / (1 - found)))[None]
    expected = 1 - np.mean(
        [(2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1) for p, t in zip(found, targets, strict=True)]
    )
    loss = METHOD.loss(logits, torch.from_numpy(targets)[None], config)
    assert float(loss["dice"]) == pytest.approx(expected, abs=1e-5)


def test_the_boundary_is_two_pixels_wide_between_objects_and_drawn_on_the_zoomed_labels(
    labels: NDArray[np.int32],
) -> None:
    config = UNetConfig()
    zoomed = np.ascontiguousarray(ndimage.zoom(labels, 1.4, order=0))
    targets = METHOD.targets(zoomed, METHOD.planes(zoomed, config), config)
    np.testing.assert_array_equal(targets[1] > 0, find_boundaries(zoomed, mode="inner", connectivity=2))
    np.testing.assert_array_equal(targets[0] > 0, zoomed > 0)


def test_touching_objects_are_parted_and_others_left_whole(labels: NDArray[np.int32]) -> None:
    parted = part_touching(labels)
    objects, _ = ndimage.label(parted > 0, structure=np.ones((3, 3)))
    for object_ in np.unique(objects[objects > 0]):
        assert len(np.unique(parted[objects == object_])) == 1
    alone = ndimage.label(labels > 0, structure=np.ones((3, 3)))[0]
    for part in np.unique(alone[alone > 0]):
        if len(np.unique(labels[alone == part])) == 1:
            np.testing.assert_array_equal(parted[alone == part], labels[alone == part])
    assert 0 < np.count_nonzero(labels) - np.count_nonzero(parted) < 0.2 * np.count_nonzero(labels)
