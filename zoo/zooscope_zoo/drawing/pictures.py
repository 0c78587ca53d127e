"""Draws as pictures: a contact sheet beside the image, and a short animation."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from zooscope.report.figures.style import STYLE, new_figure

MOST_SHOWN = 16
"""Draws on a sheet and in an animation."""

_WHOLE_PX = 400
_WINDOW_PX = 256
"""Of an image larger than `_WHOLE_PX` a window is shown: draws differ in what a smaller picture does not show."""

_COLUMNS, _COLUMN_IN, _DPI = 8, 1.3, 200
_FRAME_MS, _FRAME_PX = 150, 384

Picture = NDArray[np.float32]
"""(c, y, x), c is 1 or 3."""


def window(deviation: NDArray[Any]) -> tuple[slice, slice]:
    """What pictures show of an image: all of it, or of a large one where draws differ most; from (c, y, x)."""
    height, width = deviation.shape[1:]
    if max(height, width) <= _WHOLE_PX:
        return slice(0, height), slice(0, width)
    edges: Any = (min(height, _WINDOW_PX), min(width, _WINDOW_PX))
    means = uniform_filter(deviation.mean(axis=0), size=edges, mode="constant")
    centre = np.unravel_index(int(means.argmax()), means.shape)
    begins = [int(np.clip(at - edge // 2, 0, n - edge)) for at, edge, n in zip(centre, edges, means.shape, strict=True)]
    y, x = (slice(begin, begin + edge) for begin, edge in zip(begins, edges, strict=True))
    return y, x


def levels(draws: Sequence[Picture]) -> tuple[float, float]:
    """What all pictures show black and white: the percentiles 0.1 and 99.9 of draws."""
    low, high = np.percentile(np.stack(draws), (0.1, 99.9))
    return float(low), float(max(high, low + 1e-6))


def sheet_png(image: Picture, mean: Picture, deviation: Picture, draws: Sequence[Picture], *, place: str = "") -> bytes:
    """Image, mean and deviation of all draws above, some draws below; of one window each.

    Parameters
    ----------
    place : where the window lies; empty of whole images.
    """
    low, high = levels(draws)
    columns = min(_COLUMNS, max(len(draws), 3))
    rows = -(-len(draws) // columns)
    width, shape = columns * _COLUMN_IN, mean.shape[1] / mean.shape[2]
    heights = [width / 3 * shape * 0.92, rows * (_COLUMN_IN * shape + 0.16)]
    with mpl.rc_context(STYLE):
        figure = new_figure(width, sum(heights) + 0.35)
        figure.suptitle(f"black is {low:.4g} and white {high:.4g} in all pictures{place and f'; {place}'}", fontsize=7)
        parts: Any = figure.subfigures(2, 1, height_ratios=heights)
        above, below = parts
        top = above.subplots(1, 3)
        for axes, picture, title in zip(top, (image, mean), ("input", "mean of all draws"), strict=False):
            axes.imshow(_gray(picture, low, high), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(title)
        spread = deviation.mean(axis=0)
        shown = top[2].imshow(spread, cmap="magma", vmin=0, vmax=np.percentile(spread, 99.9), interpolation="nearest")
        top[2].set_title("standard deviation of draws")
        above.colorbar(shown, ax=top[2], shrink=0.9)
        small = below.subplots(rows, columns, squeeze=False).ravel()
        for k, (axes, draw) in enumerate(zip(small, draws, strict=False), start=1):
            axes.imshow(_gray(draw, low, high), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(f"draw {k}", fontsize=6, pad=2)
        for axes in (*top, *small):
            axes.set_axis_off()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def animation_gif(draws: Sequence[Picture]) -> bytes:
    """A loop through draws, in the sheet's gray levels; small ones are enlarged by a whole number."""
    low, high = levels(draws)
    factor = max(1, _FRAME_PX // max(draws[0].shape[1:]))
    frames = [Image.fromarray((_gray(draw, low, high) * 255).round().astype(np.uint8)) for draw in draws]
    frames = [frame.resize((frame.width * factor, frame.height * factor), Image.Resampling.NEAREST) for frame in frames]
    buffer = io.BytesIO()
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:], duration=_FRAME_MS, loop=0)
    return buffer.getvalue()


def _gray(picture: Picture, low: float, high: float) -> NDArray[np.float32]:
    """(y, x), or (y, x, 3) of colour; from 0 to 1."""
    scaled = np.clip((picture - low) / (high - low), 0, 1)
    return scaled[0] if len(scaled) == 1 else np.moveaxis(scaled, 0, -1)
