"""EmbedSeg's loss (Lalit et al. 2022, after Neven et al. 2019), of all instances of a batch at once.

Every pixel of an instance points at its centre; how near is near enough is learned with it, by the bandwidth. What an
instance costs is the Lovasz hinge (Yu and Blaschko 2015, arXiv:1512.07797; by sorting as in Berman et al. 2018,
arXiv:1705.08790) of phi = exp(-bandwidth * distance**2), its pixels against all others.
"""

import math

import torch
from torch import Tensor, nn

from zooscope_zoo.embedseg.network import UNIT_PX, log_bandwidth, offset

VARIANCE_WEIGHT, SEED_WEIGHT = 10.0, 1.0
FOREGROUND_WEIGHT = 10.0
"""Of a foreground pixel in the seeds' error."""

NEGLIGIBLE = 1e-3
"""Pixels of no concern to an instance are those with a phi below this: they change its loss by less than twice that."""

CELLS = 32
"""To a `UNIT_PX`, along an edge: 8 px each."""


def embedding_loss(raw: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """The terms: instances, the variance of their sigmas, seeds.

    Each is a mean over images, the first two of means over an image's instances; an image without any adds its seeds'
    error alone. Time and memory grow with the pixels that lie near instances, not with instances times pixels.

    Parameters
    ----------
    raw : float32 (b, 5, y, x), what the network's `logits` gave.
    targets : (b, 2, y, x): instances numbered 1..n in each image, and 1 at their centres.
    """
    labels = targets[:, 0].long()
    size = labels[0].numel()
    count = labels.amax(dim=(1, 2))
    first = count.cumsum(0) - count  # of each image, in the numbers of the batch's instances
    instances = int(count.sum())
    image = torch.arange(len(labels), device=raw.device).repeat_interleave(count)
    weight = 1 / (count[image] * len(labels))

    flat = raw.permute(0, 2, 3, 1).flatten(0, 2)
    places = _grid(labels) + offset(flat[:, 1:3])
    pixels = labels.flatten().nonzero()[:, 0]
    own = labels.flatten()[pixels] - 1 + first[pixels // size]
    area = own.bincount(minlength=instances)
    centres = _centres(targets[:, 1], labels, first, instances)

    sigma = flat[:, 3:].index_select(0, pixels)
    mean = sigma.new_zeros(instances, 2).index_add(0, own, sigma) / area[:, None]
    spread = (sigma - mean[own]).square().sum(1)
    variance = (spread * (weight / area)[own]).sum()

    bandwidth = torch.exp(log_bandwidth(mean))
    others, theirs = _near(places, labels, own, centres, bandwidth, image)
    inside = _phi(places, pixels, own, centres, bandwidth)
    outside = _phi(places, others, theirs, centres, bandwidth)
    # the hinge of 2 phi - 1 against +1 and -1
    errors = torch.cat([2 - 2 * inside, 2 * outside])
    truth = torch.cat([torch.ones_like(inside), torch.zeros_like(outside)]).long()
    instance = lovasz_hinge(errors, truth, torch.cat([own, theirs]), area, weight)

    wanted = raw.new_zeros(labels.numel()).index_put((pixels,), inside.detach())
    emphasis = torch.where(labels.flatten() > 0, FOREGROUND_WEIGHT, 1.0)
    seed = (emphasis * (torch.sigmoid(flat[:, 0]) - wanted).square()).mean()
    return {"instance": instance, "variance": VARIANCE_WEIGHT * variance, "seed": SEED_WEIGHT * seed}


def lovasz_hinge(errors: Tensor, truth: Tensor, of: Tensor, area: Tensor, weight: Tensor) -> Tensor:
    """The weighted sum of the Lovasz extensions of the instances' Jaccard losses.

    Parameters
    ----------
    errors : (n,), none negative: hinge errors of pixels. truth : 1 for an instance's own, 0 for others.
    of : which instance a pixel's error is about; a pixel may stand here for several.
    area, weight : of each instance; all of its own pixels are among the errors.
    """
    order = errors.detach().argsort(descending=True, stable=True)
    order = order[of[order].argsort(stable=True)]
    errors, truth, of = errors[order], truth[order], of[order]
    begin = of.bincount(minlength=len(area)).cumsum(0) - of.bincount(minlength=len(area))
    hits = truth.cumsum(0)
    hits = hits - torch.cat([hits.new_zeros(1), hits])[begin][of]  # so many own pixels up to here, of this instance
    rank = torch.arange(len(of), device=of.device) - begin[of]
    jaccard = 1 - (area[of] - hits) / (area[of] + rank + 1 - hits)
    before = torch.where(rank > 0, jaccard.roll(1), 0)
    return (errors * (jaccard - before) * weight[of]).sum()


def _grid(labels: Tensor) -> Tensor:
    """Places (b * y * x, 2) of pixels, in `UNIT_PX`."""
    y, x = (torch.arange(length, device=labels.device) / UNIT_PX for length in labels.shape[1:])
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).flatten(0, 1).repeat(len(labels), 1)


def _centres(marks: Tensor, labels: Tensor, first: Tensor, instances: int) -> Tensor:
    """Places (instances, 2) of the marked pixels, in `UNIT_PX`."""
    image, y, x = marks.nonzero(as_tuple=True)
    centres = marks.new_zeros(instances, 2)
    centres[labels[image, y, x] - 1 + first[image]] = torch.stack([y, x], dim=1) / UNIT_PX
    return centres


def _phi(places: Tensor, pixels: Tensor, of: Tensor, centres: Tensor, bandwidth: Tensor) -> Tensor:
    away = places.index_select(0, pixels) - centres.index_select(0, of)
    return torch.exp(-(away.square() * bandwidth.index_select(0, of)).sum(1))


@torch.no_grad()
def _near(
    places: Tensor, labels: Tensor, own: Tensor, centres: Tensor, bandwidth: Tensor, image: Tensor
) -> tuple[Tensor, Tensor]:
    """Pixels that are not an instance's own but matter to it, and that instance's number.

    Pixels are sorted into cells by where they point; only those in the cells around a centre are looked at.

    Parameters
    ----------
    own : of each foreground pixel its instance. image : of each instance its image.
    """
    rows, columns = (int((length / UNIT_PX + 2) * CELLS) + 1 for length in labels.shape[1:])  # offsets reach one unit
    cell = ((places + 1) * CELLS).long()
    which = torch.arange(len(labels), device=labels.device).repeat_interleave(labels[0].numel())
    key = (which * rows + cell[:, 0]) * columns + cell[:, 1]
    order = key.argsort()
    start = nn.functional.pad(key.bincount(minlength=len(labels) * rows * columns).cumsum(0), (1, 0))

    reach = torch.sqrt(-math.log(NEGLIGIBLE) / bandwidth)
    low = ((centres - reach + 1) * CELLS).long().clamp(min=0)
    high = ((centres + reach + 1) * CELLS).long()
    high = torch.minimum(high, high.new_tensor([rows - 1, columns - 1]))
    of, row = _ranges(low[:, 0], high[:, 0] + 1)
    strip = (image[of] * rows + row) * columns
    index, position = _ranges(start[strip + low[of, 1]], start[strip + high[of, 1] + 1])
    pixels, of = order[position], of[index]

    instance = torch.full_like(key, -1)
    instance[labels.flatten() > 0] = own
    matters = (instance[pixels] != of) & (_phi(places, pixels, of, centres, bandwidth) > NEGLIGIBLE)
    return pixels[matters], of[matters]


def _ranges(begin: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers begin..end - 1 of all ranges one after the other: in which range each is, and the number."""
    length = end - begin
    which = torch.arange(len(begin), device=begin.device).repeat_interleave(length)
    first = length.cumsum(0) - length
    return which, begin[which] + torch.arange(len(which), device=begin.device) - first[which]
