"""What a model for objects finds in each draw, and where its answers agree."""

import csv
import io
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from zooscope.decode import restores
from zooscope.errors import UsageError
from zooscope.model import Model, load_model
from zooscope.report.figures.style import STYLE, new_figure

_PANEL_IN, _DPI = 4.2, 200


def open_segmenter(package: str, *, device: str = "auto") -> Model:
    """A model that finds objects.

    Raises
    ------
    UsageError : it restores images instead.
    """
    model = load_model(package, device=device)
    if restores(model.package, model.decoder):
        raise UsageError(f"--with-model {package}: it restores images; name a model that segments objects")
    return model


@dataclass
class Agreement:
    """Of label images of draws, of which none is kept.

    Attributes
    ----------
    counts : objects of each draw.
    """

    model: Model
    counts: list[int] = field(default_factory=list)
    _inside: Any = 0
    _outlines: Any = 0

    def add(self, draw: NDArray[np.float32]) -> None:
        """One more draw (c, y, x)."""
        labels = self.labels(draw)
        self.counts.append(len(np.unique(labels[labels > 0])))
        self._inside = self._inside + (labels > 0)
        self._outlines = self._outlines + find_boundaries(labels, mode="inner")

    def labels(self, image: NDArray[np.float32]) -> NDArray[np.int32]:
        """Of an image (c, y, x): labels (y, x)."""
        gray = len(image) == 1
        return self.model.predict(image[0] if gray else np.moveaxis(image, 0, -1), "yx" if gray else "yxc")

    @property
    def share(self) -> NDArray[np.float32]:
        """(y, x): the share of draws in which a pixel is of an object."""
        return (self._inside / len(self.counts)).astype(np.float32)

    def table(self, others: dict[str, NDArray[np.int32]]) -> str:
        """CSV: objects of each draw, and of other label images by name."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(("image", "objects"))
        writer.writerows((f"draw-{k}", count) for k, count in enumerate(self.counts, start=1))
        writer.writerows((name, len(np.unique(labels[labels > 0]))) for name, labels in others.items())
        return buffer.getvalue()

    def png(self, mean: NDArray[np.float32], labels: NDArray[np.int32]) -> bytes:
        """Left the mean (c, y, x) with the outlines of all draws, right the share, with those of the mean's objects."""
        height, width = labels.shape
        gray = mean.mean(axis=0)
        low, high = np.percentile(gray, (0.5, 99.8))
        draws = len(self.counts)
        told = f"{min(self.counts)} to {max(self.counts)} objects in {draws} draws"
        with mpl.rc_context(STYLE):
            figure = new_figure(2 * (_PANEL_IN + 0.85), _PANEL_IN * height / width + 0.35)
            left, right = figure.subplots(1, 2)
            left.imshow(gray, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            seen = np.ma.masked_equal(self._outlines / draws, 0)
            lines = left.imshow(seen, cmap="plasma", vmin=0, vmax=1, interpolation="nearest")
            figure.colorbar(lines, ax=left, shrink=0.8, label="share of draws with an outline here")
            left.set_title(f"mean of draws; {told}")
            share = right.imshow(self.share, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
            right.imshow(
                np.ma.masked_equal(find_boundaries(labels, mode="inner").astype(np.uint8), 0),
                cmap=ListedColormap(["white"]),
                interpolation="nearest",
            )
            figure.colorbar(share, ax=right, shrink=0.8, label="share of draws with an object here")
            right.set_title("agreement; white: outlines of the mean's objects")
            for axes in (left, right):
                axes.set_axis_off()
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
        return buffer.getvalue()
