"""Sampler: a trained network that draws clean images which a noisy one may be of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zooscope import plugins
from zooscope.channels import to_channels
from zooscope.errors import UsageError
from zooscope.predict.device import resolve_device
from zooscope.sample import as_image
from zooscope_zoo.drawing.tiles import Tiles
from zooscope_zoo.nn.latents import Normal
from zooscope_zoo.packaging.trained import read_run
from zooscope_zoo.training.normalisation import Normalisation
from zooscope_zoo.variational import Variational

PX_AT_ONCE = 2**20
"""Pixels of all draws that are decoded together."""

MOST_PX = 2**26
"""Of an image. The noise of a draw is held for all of it: at 8192 x 8192 px and 32 latent channels of half the image's
size 2 GB."""

Seed = int | tuple[int, ...]


@dataclass(frozen=True)
class Sampler:
    """A network in evaluation mode on a device, and how its images are scaled.

    Attributes
    ----------
    network : has `standard_noise`, `encode` and `sampled`.
    channels : of the images that it takes.
    multiple_px : sizes of images that it takes are multiples of this.
    halo_px : how far tiles overlap.
    largest_px : edge of a tile, None for that of packages.
    """

    network: Any
    normalisation: Normalisation
    channels: int
    multiple_px: int
    halo_px: int
    device: str = "cpu"
    largest_px: int | None = None

    def draws(
        self, array: NDArray[np.generic], n: int, *, axes: str = "yx", seed: Seed = 0
    ) -> Iterator[NDArray[np.float32]]:
        """Draws of an image one after another, float32 (c, y, x) in the image's units.

        Draw k depends on the image, the seed and k alone, up to rounding: its noise comes from a generator of its own
        on the CPU, whichever the device and however many draws there are.

        Parameters
        ----------
        array : the image, any integer or float dtype. axes : "yx", or "yxc" for RGB.
        seed : one number, or several that only together tell images and draws apart.

        Raises
        ------
        UsageError : an image that is too large, or no draws.
        """
        if n < 1:
            raise UsageError(f"{n} draws; one at least is expected")
        planes = to_channels(as_image(np.asarray(array), axes=axes, source="the array"), self.channels)
        size = planes.shape[1:]
        if size[0] * size[1] > MOST_PX:
            raise UsageError(f"an image of {size[0]} x {size[1]} px; draws are made of up to {MOST_PX} px, crop it")
        return self._draws(planes.astype(np.float32), n, seed)

    def _draws(self, image: NDArray[np.float32], n: int, seed: Seed) -> Iterator[NDArray[np.float32]]:
        tiles = Tiles.of(image.shape[1:], multiple=self.multiple_px, halo=self.halo_px, largest_px=self.largest_px)
        padded = torch.from_numpy(tiles.padded(self.normalisation.image(image)))[None]
        encoded = self._encoded(padded) if len(tiles) == 1 else None
        step = max(1, PX_AT_ONCE // tiles.pixels)
        for first in range(0, n, step):
            noises = [self._noise(padded, seed, k) for k in range(first, min(n, first + step))]
            noise = [torch.cat(level) for level in zip(*noises, strict=True)]
            found = np.empty((len(noises), *image.shape), np.float32)
            for at in tiles:
                features = self._encoded(tiles.seen(at, padded)) if encoded is None else encoded
                part = [tiles.seen(at, level, grid=padded.shape[-1] // level.shape[-1]) for level in noise]
                kept = [slice(span.keep, span.keep_end) for span in at]
                inner = [slice(span.keep - span.start, span.keep_end - span.start) for span in at]
                found[(..., *kept)] = self._decoded(features, part)[(..., *inner)]
            if not np.isfinite(found).all():
                raise UsageError("draws hold NaN or infinity; the training diverged, or the image is not of its kind")
            yield from self.normalisation.undone(found)

    def _noise(self, padded: Tensor, seed: Seed, k: int) -> list[Tensor]:
        entropy = [*(seed if isinstance(seed, tuple) else (seed,)), k]
        state = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
        return self.network.standard_noise(padded, torch.Generator().manual_seed(state))

    @torch.inference_mode()
    def _encoded(self, image: Tensor) -> Any:
        return self.network.encode(image.to(self.device))

    @torch.inference_mode()
    def _decoded(self, encoded: Any, noise: Sequence[Tensor]) -> NDArray[np.float32]:
        """Draws (b, c, y, x) of one image's features."""
        prior_levels = getattr(self.network, "prior_levels", 0)
        options = {"prior_levels": prior_levels} if prior_levels else {}
        noise = [level.to(self.device) for level in noise]
        signal, _ = self.network.sampled(_repeated(encoded, len(noise[0])), noise, **options)
        return signal.float().cpu().numpy()


def open_sampler(source: str | Path, *, device: str = "auto", changes: Sequence[str] = ()) -> Sampler:
    """The sampler of a run's folder, or of shipped weights by their id; weights are rounded as packages have them.

    Parameters
    ----------
    changes : of `read_run`.

    Raises
    ------
    UsageError : no training there, a method that does not draw, or a device that there is not.
    """
    if str(source).endswith(".zip"):
        raise UsageError(f"{source}: packages give one answer and do not draw; name the run's folder or a shipped id")
    trained, device = read_run(source, changes=changes), resolve_device(device)
    if not isinstance(trained.method, Variational) or not isinstance(trained.normalisation, Normalisation):
        raise UsageError(f"{source}: {trained.method.id} gives one answer and does not draw; {', '.join(drawing())} do")
    return Sampler(
        trained.network().to(device),
        trained.normalisation,
        channels=trained.settings.channels,
        multiple_px=trained.method.multiple_px(trained.settings),
        halo_px=trained.halo_px,
        device=device,
    )


def drawing() -> list[str]:
    """Ids of the methods whose networks draw."""
    return [name for name in plugins.names("methods") if isinstance(plugins.load("methods", name), Variational)]


def _repeated(encoded: Any, times: int) -> Any:
    """What `encode` gave of one image, for so many draws of it."""
    tensors = [tensor.expand(times, -1, -1, -1) for tensor in encoded]
    return Normal(*tensors) if isinstance(encoded, Normal) else tensors
