"""Tiles that shrink: where a device's memory runs out, the batch, then the tile is halved and all predicted again."""

import sys
from collections.abc import Sequence
from typing import Any

from zooscope.errors import PackageError
from zooscope.predict.failures import DeviceMemoryError
from zooscope.predict.tiling import Array, AxisSize, largest_tile, predict_tiled


class Shrinking:
    """Predicts in tiles as large as memory allows.

    Attributes
    ----------
    tile_px : the largest tile once memory ran out; None while it is the policy's.
    batch : the most tiles that the network is given together.
    """

    def __init__(self, batch: int = 1) -> None:
        self.tile_px: int | None = None
        self.batch = batch

    def predict(
        self,
        network: Any,
        images: Sequence[Array],
        *,
        sizes: Sequence[AxisSize],
        halo: Sequence[int],
        **others: Any,
    ) -> list[Array]:
        """What `predict_tiled` gives, in smaller batches, then tiles, where that raises DeviceMemoryError.

        A network that fails on a batch in another way may take one tile at a time, and is given so from then on.
        """
        while True:
            options = {"sizes": sizes, "halo": halo, "largest_px": self.tile_px, "batch": self.batch}
            try:
                return predict_tiled(network, images, **options, **others)
            except PackageError:
                if self.batch == 1:
                    raise
                self.batch = 1
            except DeviceMemoryError:
                if self.batch > 1:
                    self.batch //= 2
                    _release()
                    continue
                smaller = self._smaller(images[0].shape[1:], sizes, halo)
                if smaller is None:
                    raise
                self.tile_px = smaller
                _release()

    def _smaller(self, shape: tuple[int, ...], sizes: Sequence[AxisSize], halo: Sequence[int]) -> int | None:
        """Half of the present tile; None where the package takes no smaller one or its halo leaves nothing of it."""
        largest = largest_tile(len(shape), self.tile_px)
        tiles = [min(size.at_least(n), size.at_most(most)) for n, size, most in zip(shape, sizes, largest, strict=True)]
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
