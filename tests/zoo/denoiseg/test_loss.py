"""What DenoiSeg learns of a patch: to denoise it, and its classes where it has labels."""

import numpy as np
import pytest
import torch
from torch import Tensor

from zooscope import plugins
from zooscope.data import Dataset, load_dataset
from zooscope.decode import find_decoder
from zooscope.metrics import measure
from zooscope_zoo.denoiseg.method import DenoiSegConfig
from zooscope_zoo.training.blind_spots import blind_spots
from zooscope_zoo.training.images import normalise

METHOD = plugins.load("methods", "denoiseg")
JOINT, ALONE = DenoiSegConfig(width=8, depth=2), DenoiSegConfig(width=8, depth=2, alpha=0)


class Answers(torch.nn.Module):
    """A network that gives these logits whatever it sees, and keeps what it saw."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self._logits = logits

    def logits(self, images: Tensor) -> Tensor:
        self.seen = images
        return self._logits


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Two noisy images, normalised: (2, 1, 64, 64)."""
    found = [normalise(sample.image.values[None]) for sample in list(load_dataset("demo-noisy"))[:2]]
    return torch.from_numpy(np.stack([image[:, :64, :64] for image in found]))


@pytest.fixture(scope="module")
def targets(demo: Dataset) -> Tensor:
    """Classes of a labelled image and of an unlabelled one: (2, 1, 64, 64)."""
    labels = max((s for s in demo if s.axes == "yx"), key=lambda sample: int(sample.target.max())).target[:64, :64]
    both = (labels, np.full_like(labels, -1))
    return torch.from_numpy(np.stack([METHOD.targets(item, METHOD.planes(item, JOINT), JOINT) for item in both]))


def logits_of(targets: Tensor, image: Tensor) -> Tensor:
    """Of a network that is sure of the right classes, and gives this image."""
    classes = torch.nn.functional.one_hot(targets[:, 0].long().clamp(min=0), 3).movedim(-1, 1).float()
    return torch.cat([40 * classes - 20, image], dim=1)


def test_of_an_unlabelled_patch_only_denoising_is_learned(images: Tensor, targets: Tensor) -> None:
    network = METHOD.network(JOINT)
    both = METHOD.terms(network, images[1:], targets[1:], JOINT)
    assert float(both["cross-entropy"]) == 0
    assert float(both["denoising"]) > 0
    sum(both.values()).backward()
    gradient = network.head.weight.grad
    assert gradient is not None
    assert not gradient[:3].any()
    assert gradient[3:].any()


def test_only_labelled_patches_count_for_the_classes(images: Tensor, targets: Tensor) -> None:
    wrong = logits_of(targets, images).roll(5, dims=3)
    first = METHOD.loss(wrong[:1], targets[:1], JOINT)["cross-entropy"]
    assert float(first) > 0.1
    assert float(METHOD.loss(wrong, targets, JOINT)["cross-entropy"]) == pytest.approx(float(first), rel=1e-5)


def test_the_boundary_counts_five_times(targets: Tensor) -> None:
    logits = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    costs = torch.nn.functional.cross_entropy(logits[:, :3], targets[:1, 0].long(), reduction="none")
    weights = torch.tensor([1.0, 1.0, 5.0])[targets[:1, 0].long()]
    expected = float((costs * weights).sum() / weights.sum())
    assert float(METHOD.loss(logits, targets[:1], ALONE)["cross-entropy"]) == pytest.approx(expected, rel=1e-5)
    assert float(METHOD.loss(logits, targets[:1], JOINT)["cross-entropy"]) == pytest.approx(expected / 2, rel=1e-5)


def test_hidden_pixels_alone_count_for_denoising_in_units_of_the_variance(images: Tensor, targets: Tensor) -> None:
    network = Answers(logits_of(targets, images + 0.5))
    torch.manual_seed(0)
    found = METHOD.terms(network, images, targets, JOINT)
    assert float(found["denoising"]) == pytest.approx(0.5 * 0.25 / float(images.var()), rel=1e-4)
    torch.manual_seed(0)
    shown, hidden = blind_spots(images, share=JOINT.share, radius_px=JOINT.radius_px, replacement="uniform")
    assert torch.equal(network.seen, shown)
    assert not torch.equal(network.seen, images)

    elsewhere = torch.where(hidden, images, images + 100)
    torch.manual_seed(0)
    assert float(METHOD.terms(Answers(logits_of(targets, elsewhere)), images, targets, JOINT)["denoising"]) == 0

    brighter = Answers(logits_of(targets, 3 * images + 1.5))
    scaled = METHOD.terms(brighter, 3 * images, targets, JOINT)["denoising"]
    assert float(scaled) == pytest.approx(float(found["denoising"]), rel=1e-4)


def test_without_denoising_no_pixel_is_hidden(images: Tensor, targets: Tensor) -> None:
    network = Answers(logits_of(targets, images))
    assert set(METHOD.terms(network, images, targets, ALONE)) == {"cross-entropy"}
    assert torch.equal(network.seen, images)


def test_the_right_classes_decode_to_the_objects_whatever_the_denoised_image_holds(demo: Dataset) -> None:
    labels = max((s for s in demo if s.axes == "yx"), key=lambda sample: int(sample.target.max())).target
    targets = torch.from_numpy(METHOD.targets(labels, METHOD.planes(labels, JOINT), JOINT))[None]
    network = METHOD.network(JOINT)
    network.logits = lambda image: logits_of(targets, torch.full((1, 1, *labels.shape), -7.0))
    with torch.inference_mode():
        maps = network(torch.zeros(1)).numpy()[0]
    assert len(maps) == len(METHOD.map_names(JOINT)) == 3
    np.testing.assert_array_equal(maps[2], -7)
    record = measure(find_decoder(METHOD.decoder(JOINT)).decode(maps, labels.shape)[0], labels)
    assert record["tp75"] > 0.9 * record["true"]
