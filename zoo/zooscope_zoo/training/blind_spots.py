"""Blind spots: pixels whose own value the network does not see (Krull et al. 2019, arXiv:1811.10980).

The median replacement is that of N2V2 (Hoeck et al. 2022, arXiv:2211.08512), the mask along correlated noise that of
structN2V (Broaddus et al. 2020, doi:10.1109/ISBI45749.2020.9098336). All on the images' device, without a loop over
pixels.
"""

from typing import Literal

import torch
from torch import Tensor

Replacement = Literal["uniform", "median"]
Axis = Literal["none", "x", "y"]


def blind_spots(
    images: Tensor, *, share: float, radius_px: int, replacement: Replacement, axis: Axis = "none", span_px: int = 0
) -> tuple[Tensor, Tensor]:
    """Images with blind spots, and where those are.

    One pixel is drawn in every square of about 1 / `share` pixels, the same for all channels of an image.

    Parameters
    ----------
    images : (b, c, y, x) float.
    share : of the pixels that become blind spots.
    radius_px : of the square around a blind spot that its new value comes from.
    replacement : "uniform" takes a pixel of that square but not its middle, "median" the median of all those.
    axis, span_px : pixels up to `span_px` before and behind a blind spot along the axis are also hidden, by values
        drawn uniformly between the least and the largest of the square around each; only the blind spots themselves
        are predicted.

    Returns
    -------
    (hidden, spots) : (b, c, y, x), and bool (b, 1, y, x).
    """
    rows, columns = _places(images, share)
    hidden = images.clone()
    if axis != "none":
        _hide_span(hidden, images, rows, columns, axis=axis, span_px=span_px, radius_px=radius_px)
    around = _around(images, rows, columns, radius_px)
    if replacement == "median":
        value = around.median(dim=-1).values
    else:
        drawn = torch.randint(around.shape[-1], (rows.shape[0], 1, rows.shape[1], 1), device=images.device)
        value = around.gather(-1, drawn.expand(-1, images.shape[1], -1, -1))[..., 0]
    _put(hidden, rows, columns, value)
    spots = torch.zeros_like(images[:, :1], dtype=torch.bool)
    _put(spots, rows, columns, torch.ones((), dtype=torch.bool, device=images.device))
    return hidden, spots


def _places(images: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Rows and columns (b, n) of one pixel in each square; squares that do not fit whole at the end are smaller."""
    batch, _, height, width = images.shape
    edge = min(max(1, round(share**-0.5)), height, width)
    tops = torch.arange(0, height, edge, device=images.device)
    lefts = torch.arange(0, width, edge, device=images.device)
    shape = (batch, len(tops), len(lefts))
    heights = (height - tops).clamp(max=edge)[:, None]
    widths = (width - lefts).clamp(max=edge)[None]
    rows = tops[:, None] + (torch.rand(shape, device=images.device) * heights).long()
    columns = lefts[None] + (torch.rand(shape, device=images.device) * widths).long()
    return rows.flatten(1), columns.flatten(1)


def _around(images: Tensor, rows: Tensor, columns: Tensor, radius_px: int) -> Tensor:
    """Values (b, c, n, k) of the square around each place but its middle; beyond the border the mirror image."""
    offsets = torch.arange(-radius_px, radius_px + 1, device=images.device)
    dy, dx = (part.flatten() for part in torch.meshgrid(offsets, offsets, indexing="ij"))
    beside = (dy != 0) | (dx != 0)
    y = _mirrored(rows[..., None] + dy[beside], images.shape[2])
    x = _mirrored(columns[..., None] + dx[beside], images.shape[3])
    flat = (y * images.shape[3] + x).flatten(1)
    values = images.flatten(2).gather(2, flat[:, None].expand(-1, images.shape[1], -1))
    return values.reshape(*images.shape[:2], rows.shape[1], -1)


def _mirrored(places: Tensor, size: int) -> Tensor:
    """Places beyond the border as their mirror images; the border's pixel itself is not repeated."""
    places = places.abs()
    return torch.where(places >= size, 2 * (size - 1) - places, places).clamp(0, size - 1)


def _hide_span(
    hidden: Tensor, images: Tensor, rows: Tensor, columns: Tensor, *, axis: Axis, span_px: int, radius_px: int
) -> None:
    """Hide what lies beside the places along an axis; what would lie outside the image is left."""
    size = images.shape[3 if axis == "x" else 2]
    for offset in (*range(-span_px, 0), *range(1, span_px + 1)):
        y, x = (rows, columns + offset) if axis == "x" else (rows + offset, columns)
        moved = x if axis == "x" else y
        inside = (moved >= 0) & (moved < size)
        y, x = y.clamp(0, images.shape[2] - 1), x.clamp(0, images.shape[3] - 1)
        around = _around(images, y, x, radius_px)
        low, high = around.amin(-1), around.amax(-1)
        drawn = low + (high - low) * torch.rand(low.shape[0], 1, low.shape[2], device=low.device, dtype=low.dtype)
        index = (y * images.shape[3] + x)[:, None].expand(-1, images.shape[1], -1)
        kept = hidden.flatten(2).gather(2, index)
        _put(hidden, y, x, torch.where(inside[:, None], drawn, kept))


def _put(images: Tensor, rows: Tensor, columns: Tensor, values: Tensor) -> None:
    """Set values (b, c, n), or one value, at the places of (b, c, y, x)."""
    batch, channels = images.shape[:2]
    b = torch.arange(batch, device=images.device)[:, None, None]
    c = torch.arange(channels, device=images.device)[None, :, None]
    images[b, c, rows[:, None], columns[:, None]] = values.to(images.dtype)
