"""A decoder by its name: what another process can be told to run."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.decode import Objects, find_decoder, run_decoder


@dataclass(frozen=True)
class NamedDecode:
    """Calls the decoder `<id>@<version>`, or the baseline `baseline:<name>@<version>`, of that name.

    A baseline's "maps" are the image itself.
    """

    name: str

    def __call__(
        self, maps: NDArray[np.float32], shape: tuple[int, ...], **params: Any
    ) -> tuple[NDArray[Any], Objects]:
        """Labels int32 of `shape` (y, x) and their objects, or a restored image float32 of `shape`.

        Raises
        ------
        PackageError : maps that are not what it needs.
        """
        if self.name.startswith("baseline:"):
            from zooscope.baselines import find_baseline

            return find_baseline(self.name).answer(maps, shape, **params), {}
        id, _, version = self.name.partition("@")
        return run_decoder(id, find_decoder(id, int(version)), maps, shape, **params)
