"""The teacher: another run's network, which draws what a noisy image may be of. It is frozen and never packaged."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from zooscope import plugins
from zooscope.errors import UsageError
from zooscope_zoo.method import Method
from zooscope_zoo.packaging.trained import Trained, read_run
from zooscope_zoo.training.normalisation import Normalisation
from zooscope_zoo.training.run_folder import find_run

_not_compiled: Any = torch.compiler.disable
"""What opens a file and keeps what it read is no graph of operations."""


@runtime_checkable
class Draws(Protocol):
    """A network that draws restored images (b, c, y, x), as the variational autoencoders do."""

    def standard_noise(self, images: Tensor, generator: torch.Generator | None = None) -> list[Tensor]:
        """Standard normal noise, one draw for each image (b, c, y, x)."""
        ...

    def encode(self, images: Tensor) -> Any:
        """What all draws of the same images share."""
        ...

    def sampled(self, encoded: Any, noise: Sequence[Tensor]) -> tuple[Tensor, Any]:
        """The draws (b, c, y, x) that the noise leads to, and what else a method tells of them."""
        ...


def weights_sha256(source: str) -> str:
    """Digest of the file of weights that the method of a run keeps.

    Raises
    ------
    UsageError : there is no such run, or it has no weights yet.
    """
    try:
        folder = find_run(source)
        method: Method = plugins.load("methods", folder.config().method)
        path = folder.path / f"{method.keeps}.safetensors"
        if not path.is_file():
            raise UsageError(f"{path} is not there yet; it is written at the first validation")
    except UsageError as error:
        raise UsageError(f"network.teacher={source}: {error}") from error
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_teacher(source: str, sha256: str, *, channels: int, prior_levels: int | None = None) -> Trained:
    """A run that can teach networks of so many channels; `source` is its folder, or an id of shipped weights.

    Parameters
    ----------
    prior_levels : of `hdn`, in place of its own setting.

    Raises
    ------
    UsageError : there is none, its weights are not those of the digest, its network cannot draw or has other channels
        or no such levels.
    """
    if not source:
        raise UsageError("no teacher; --set network.teacher=RUN names a run of a method that draws, hdn for one")
    found = weights_sha256(source)
    if found != sha256:
        raise UsageError(f"network.teacher={source}: the digest of its weights is {found[:12]} now, not {sha256[:12]}")
    trained = read_run(source, changes=() if prior_levels is None else [f"network.prior_levels={prior_levels}"])
    if not (isinstance(trained.network(), Draws) and isinstance(trained.normalisation, Normalisation)):
        raise UsageError(f"network.teacher={source}: {trained.method.id} gives one answer; a teacher draws many")
    if trained.settings.channels != channels:
        raise UsageError(
            f"network.teacher={source}: its images have {trained.settings.channels} channels; set "
            f"network.channels={trained.settings.channels}"
        )
    return trained


@_not_compiled
def drawn(source: str, sha256: str, images: Tensor, prior_levels: int | None = None) -> Tensor:
    """A draw of the teacher for each of the normalised images (b, c, y, x), float32, without gradients.

    So many of its lowest levels, or those that take their prior in its package, are drawn from it here, so that
    structured noise is left out.
    """
    network, options = _frozen(source, sha256, images.shape[1], images.device, prior_levels)
    with torch.no_grad():
        draws, _ = network.sampled(network.encode(images), network.standard_noise(images), **options)
    return draws.float()


@lru_cache(maxsize=1)
def _frozen(
    source: str, sha256: str, channels: int, device: torch.device, prior_levels: int | None
) -> tuple[Any, dict[str, int]]:
    """The network on a device, and options of its `sampled`.

    Kept between steps here, not in the network that learns: so no state dict, optimiser or package ever holds it.
    """
    # it is made within a step, whose random numbers and whose mode (a validation's) are none of its business
    with torch.inference_mode(mode=False), torch.random.fork_rng(devices=[]):
        trained = read_teacher(source, sha256, channels=channels, prior_levels=prior_levels)
        network: Any = trained.network().requires_grad_(requires_grad=False)
    switched_off = getattr(trained.settings, "prior_levels", 0)
    options = {"prior_levels": switched_off} if switched_off else {}
    return network.to(device, memory_format=torch.channels_last), options
