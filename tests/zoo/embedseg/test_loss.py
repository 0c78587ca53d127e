"""EmbedSeg's loss beside the papers' formulas, instance by instance over whole images."""

import numpy as np
import pytest
import torch
from torch import Tensor

from zooscope.data import Dataset
from zooscope_zoo.embedseg.loss import embedding_loss
from zooscope_zoo.embedseg.method import EmbedSeg, EmbedSegConfig
from zooscope_zoo.embedseg.network import GAIN, UNIT_PX

METHOD = EmbedSeg()
CONFIG = EmbedSegConfig()


def targets_of(demo: Dataset, edge: int = 96) -> Tensor:
    """Of two crops of real labels and one without objects."""
    gray = sorted((sample for sample in demo if sample.axes == "yx"), key=lambda sample: -sample.target.max())
    crops = [sample.target[:edge, :edge] for sample in gray[:2]]
    crops.append(np.zeros((edge, edge), np.int32))
    return torch.from_numpy(np.stack([METHOD.targets(crop, np.zeros((0, edge, edge)), CONFIG) for crop in crops]))


def guess(targets: Tensor, *, margin_px: float, seed: int = 0) -> Tensor:
    """Raw maps of a network that half knows: offsets of up to 15 px, and sigmas that vary."""
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(len(targets), 5, *targets.shape[2:], generator=generator)
    raw[:, 1:3] *= 5 / UNIT_PX / GAIN
    raw[:, 3:] = np.log(np.log(2) * (UNIT_PX / margin_px) ** 2) / 10 + 0.02 * raw[:, 3:]
    return raw.requires_grad_()


def lovasz(errors: Tensor, truth: Tensor) -> Tensor:
    """Lovasz extension of the Jaccard loss (Berman et al. 2018, algorithm 1)."""
    errors, order = torch.sort(errors, descending=True)
    truth = truth[order]
    jaccard = 1 - (truth.sum() - truth.cumsum(0)) / (truth.sum() + (1 - truth).cumsum(0))
    return (errors.clamp(min=0) * torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])).sum()


def reference(raw: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Lalit et al. 2022, section 3, dense."""
    y, x = torch.meshgrid(*(torch.arange(n) / UNIT_PX for n in raw.shape[2:]), indexing="ij")
    zero = raw.sum() * 0
    terms = {"instance": zero, "variance": zero, "seed": zero}
    for maps, (labels, marks) in zip(raw, targets, strict=True):
        embedded, count = torch.stack([y, x]) + torch.tanh(GAIN * maps[1:3]), int(labels.max())
        wanted = torch.zeros_like(labels)
        for number in range(1, count + 1):
            own = labels == number
            centre = torch.stack([y, x])[:, own & (marks == 1)]
            sigma = maps[3:, own].mean(1)
            phi = torch.exp(-((embedded - centre[:, :, None]) ** 2 * torch.exp(10 * sigma)[:, None, None]).sum(0))
            sign = 2 * own.float() - 1
            hinge = lovasz((1 - (2 * phi - 1) * sign).flatten(), own.flatten().float())
            spread = ((maps[3:, own] - sigma[:, None]) ** 2).sum(0).mean()
            terms["instance"] = terms["instance"] + hinge / count / len(raw)
            terms["variance"] = terms["variance"] + 10 * spread / count / len(raw)
            wanted[own] = phi[own].detach()
        error = (torch.sigmoid(maps[0]) - wanted) ** 2 * torch.where(labels > 0, 10, 1)
        terms["seed"] = terms["seed"] + error.mean() / len(raw)
    return terms


@pytest.mark.parametrize("margin_px", [3, 12, 150])
def test_terms_and_gradients_are_those_of_the_dense_formulas(demo: Dataset, margin_px: float) -> None:
    targets = targets_of(demo)
    raw = guess(targets, margin_px=margin_px)
    ours, theirs = embedding_loss(raw, targets), reference(raw, targets)
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=2e-3, atol=1e-6)
    (mine,) = torch.autograd.grad(sum(ours.values()), raw)  # type: ignore[arg-type]
    (wanted,) = torch.autograd.grad(sum(theirs.values()), raw)  # type: ignore[arg-type]
    assert float((mine - wanted).norm()) < 0.01 * float(wanted.norm())


def test_a_network_that_points_every_pixel_at_its_centre_loses_nearly_nothing(demo: Dataset) -> None:
    targets = targets_of(demo)
    labels, marks = targets[:, 0].long(), targets[:, 1]
    raw = guess(targets, margin_px=2).detach()
    raw[:, 3:] = raw[:, 3:].mean()
    for image, (numbers, mark) in enumerate(zip(labels, marks, strict=True)):
        centres = torch.zeros(int(numbers.max()) + 1, 2, dtype=torch.long)
        at = mark.nonzero()
        centres[numbers[tuple(at.T)]] = at
        away = centres[numbers] - torch.stack(torch.meshgrid(*map(torch.arange, numbers.shape), indexing="ij"), -1)
        away[numbers == 0] = 0
        raw[image, 1:3] = torch.atanh(away.permute(2, 0, 1) / UNIT_PX) / GAIN
        # background keeps its place, so it must not lie within a margin; no object here is so small
        raw[image, 0] = torch.where(numbers > 0, 20.0, -20.0)
    terms = embedding_loss(raw, targets)
    assert float(terms["instance"]) < 0.1
    assert float(terms["variance"]) < 1e-6
    assert float(terms["seed"]) < 1e-6
