"""Where on an image, and on the grids of its latent variables, the tiles of a network lie."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from zooscope.predict.tiling import AxisSize, Span, spans


@dataclass(frozen=True)
class Tiles:
    """Tiles of an image, along y and along x; all are of one size and begin at multiples of the network's."""

    along: tuple[Sequence[Span], Sequence[Span]]

    @classmethod
    def of(cls, shape: Sequence[int], *, multiple: int, halo: int, largest_px: int | None = None) -> "Tiles":
        """Of an image (y, x): one tile where it is not larger than `largest_px`, by default that of packages."""
        y, x = (spans(n, AxisSize(multiple, multiple), halo, largest_px=largest_px) for n in shape)
        return cls((y, x))

    def __len__(self) -> int:
        return len(self.along[0]) * len(self.along[1])

    def __iter__(self) -> Iterator[tuple[Span, Span]]:
        return iter(itertools.product(*self.along))

    @property
    def pixels(self) -> int:
        """Of one tile."""
        y, x = (axis[0].size for axis in self.along)
        return y * x

    def padded(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """An image (c, y, x), reflected as far as its tiles reach."""
        ends = [axis[-1].start + axis[-1].size for axis in self.along]
        pads = [
            (-axis[0].start, max(0, end - n)) for axis, end, n in zip(self.along, ends, image.shape[1:], strict=True)
        ]
        return np.pad(image, [(0, 0), *pads], mode="reflect")

    def seen(self, at: tuple[Span, Span], whole: torch.Tensor, *, grid: int = 1) -> torch.Tensor:
        """A tile's part of what lies on the padded image (b, c, y, x), `grid` pixels of the image to one of its own."""
        begins = [(span.start - axis[0].start) // grid for span, axis in zip(at, self.along, strict=True)]
        y, x = (slice(begin, begin + span.size // grid) for begin, span in zip(begins, at, strict=True))
        return whole[..., y, x]
