"""Tiles that shrink: where a device's memory runs out, the tile is halved and the image predicted again."""

import sys
from typing import Any

from zooscope.predict import tiling
from zooscope.predict.failures import DeviceMemoryError
from zooscope.predict.tiling import Array, AxisSize, predict_tiled


class Shrinking:
    """Predicts in tiles as large as memory allows.

    Attributes
    ----------
    tile_px : the largest tile once memory ran out; None while it is the policy's.
    """

    def __init__(self) -> None:
        self.tile_px: int | None = None

    def predict(
        self, network: Any, image: Array, *, sizes: tuple[AxisSize, AxisSize], halo: tuple[int, int], **others: Any
    ) -> Array:
        """What `predict_tiled` gives, in smaller tiles where that raises DeviceMemoryError and they may be smaller."""
        while True:
            try:
                return predict_tiled(network, image, sizes=sizes, halo=halo, largest_px=self.tile_px, **others)
            except DeviceMemoryError:
                smaller = self._smaller(image.shape[1:], sizes, halo)
                if smaller is None:
                    raise
                self.tile_px = smaller
                _release()

    def _smaller(self, shape: tuple[int, ...], sizes: tuple[AxisSize, AxisSize], halo: tuple[int, int]) -> int | None:
        """Half of the present tile; None where the package takes no smaller one or its halo leaves nothing of it."""
        most = self.tile_px or tiling.MAX_TILE_PX
        tiles = [min(size.at_least(n), size.at_most(most)) for n, size in zip(shape, sizes, strict=True)]
        half = max(tiles) // 2
        halves = [min(tile, size.at_most(half)) for tile, size in zip(tiles, sizes, strict=True)]
        cut = [tile > part for tile, part in zip(tiles, halves, strict=True)]
        fits = [part - 2 * n >= size.align for part, size, n in zip(halves, sizes, halo, strict=True)]
        possible = any(cut) and all(fit for fit, smaller in zip(fits, cut, strict=True) if smaller)
        return half if possible else None


def _release() -> None:
    """Give the GPU's cached memory back before the next try."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
