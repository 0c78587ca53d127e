"""Loss curves as CSV, PNG and TensorBoard, and an early view of validation pictures."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooscope import atomic

History = list[dict[str, float]]
"""One entry a validation: step, seconds, learning_rate, and train/... and validation/... losses."""


def write_curves(folder: Path, history: History, *, note: str = "") -> None:
    """`curves.csv` and `curves.png`, with a note on top."""
    table = pd.DataFrame(history)
    atomic.write_text(folder / "curves.csv", table.to_csv(index=False, lineterminator="\n"))
    atomic.write_bytes(folder / "curves.png", curves_png(table, note=note))


def curves_png(table: pd.DataFrame, *, note: str = "") -> bytes:
    """The plot of what stands in `curves.csv`."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for part, colour in (("train", "#0072b2"), ("validation", "#d55e00")):
        axes.plot(table["step"], table[f"{part}/loss"], color=colour, label=part)
    best = table.loc[table["validation/loss"].idxmin()]
    axes.plot(best["step"], best["validation/loss"], "o", color="#d55e00", label=f"best, step {best['step']:.0f}")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
    if note:
        axes.set_title(note, fontsize="small")
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def write_preview(
    path: Path, images: NDArray[np.float32], truth: NDArray[np.float32], maps: NDArray[np.float32]
) -> None:
    """A row a patch: image, first target, first map; arrays (n, c, y, x), or (n, c, z, y, x): their middle planes."""
    if images.ndim == 5:
        images, truth, maps = (array[:, :, array.shape[2] // 2] for array in (images, truth, maps))
    rows: Sequence[NDArray[np.float32]] = [
        np.concatenate([_sized(image.mean(0), image.shape[1]), *(_sized(a[0], image.shape[1]) for a in (t, m))], axis=1)
        for image, t, m in zip(images, truth, maps, strict=True)
    ]
    gray = (np.clip(np.concatenate(rows), 0, 1) * 255).astype(np.uint8)
    atomic.write_bytes(path, bytes(imagecodecs.png_encode(gray)))


class TensorBoard:
    """Scalars for TensorBoard, written beside the run."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def add(self, entry: Mapping[str, float]) -> None:
        """One entry of the history."""
        for name, value in entry.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(entry["step"]))
        self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        self._writer.close()


def _sized(plane: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    factor = size // plane.shape[0]
    return np.repeat(np.repeat(plane, factor, 0), factor, 1)
