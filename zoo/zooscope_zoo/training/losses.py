"""Losses that several methods take."""

import torch
from torch import Tensor


def dice_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """1 - (2 * overlap + 1) / (total + 1), of (b, c, y, x) over the whole batch, averaged over channels.

    The Dice coefficient of probabilities: Milletari et al. 2016, arXiv:1606.04797, without their squares.
    """
    found = torch.sigmoid(logits)
    overlap, total = (found * truth).sum((0, 2, 3)), (found + truth).sum((0, 2, 3))
    return 1 - ((2 * overlap + 1) / (total + 1)).mean()
