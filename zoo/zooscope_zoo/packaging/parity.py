"""Parity: the three weights formats against each other, on three sizes of image, or there is no package."""

import contextlib
import io
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zooscope.check import parity_limit
from zooscope.errors import ZooscopeError
from zooscope.predict.backends import Network, onnx_network, torchscript_network
from zooscope.predict.tiling import AxisSize
from zooscope_zoo.packaging.architecture import Architecture
from zooscope_zoo.packaging.weights import ONNX, STATE_DICT, TORCHSCRIPT

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """The largest difference of a format from the state dict, on images of one size (y, x), and what is allowed."""

    format: str
    size: tuple[int, int]
    difference: float
    limit: float


def prove_parity(
    files: Mapping[str, bytes], architecture: Architecture, image: Array, *, sizes: AxisSize
) -> list[Agreement]:
    """TorchScript and ONNX against the state dict in the architecture file, in batches of two images.

    Torch computes with one thread meanwhile: the figures travel in the package, and the order of sums shows in them.

    Parameters
    ----------
    files : the weights files by name.
    image : (1, c, y, x), normalised; continued by reflection to each size.

    Raises
    ------
    ZooscopeError : a difference above 1e-4 * max(1, max|reference|), NaN, or another shape.
    """
    reference = state_dict_network(files[STATE_DICT], architecture)
    others = {
        "TorchScript": torchscript_network(files[TORCHSCRIPT], device="cpu"),
        "ONNX": onnx_network(files[ONNX], device="cpu"),
    }
    found: list[Agreement] = []
    for size in parity_sizes(sizes):
        batch = _resized(image, size)
        batch = np.ascontiguousarray(np.concatenate([batch, batch[..., ::-1]]))
        with one_thread():
            expected = reference(batch)
            answers = {name: network(batch) for name, network in others.items()}
        limit = parity_limit(expected)
        for name, answer in answers.items():
            place = f"{name} at {size[0]}x{size[1]} px"
            if answer.shape != expected.shape:
                raise ZooscopeError(f"parity: {place} gives shape {answer.shape}, the state dict {expected.shape}")
            difference = float(np.abs(answer - expected).max())
            if not difference <= limit:
                figures = f"{difference:.3g}; allowed is {limit:.3g}"
                raise ZooscopeError(f"parity: {place} differs from the state dict by {figures}")
            found.append(Agreement(name, size, difference, limit))
    return found


def parity_sizes(sizes: AxisSize) -> list[tuple[int, int]]:
    """The smallest square, and two that are neither square nor small."""
    smallest, step = sizes.minimum, sizes.step
    return [(smallest, smallest), (smallest + step, smallest + 3 * step), (smallest + 4 * step, smallest + 2 * step)]


def state_dict_network(state: bytes, architecture: Architecture, *, double: bool = False) -> Network:
    """The state dict's network; with `double` it computes in double precision, whose rounding no machine shows."""
    network = architecture.build()
    weights: dict[str, Any] = torch.load(io.BytesIO(state), weights_only=True)
    network.load_state_dict(weights)
    dtype = torch.float64 if double else torch.float32
    network.to(dtype)

    def run(batch: NDArray[np.generic]) -> Array:
        with torch.inference_mode():
            return network(torch.from_numpy(batch).to(dtype)).float().numpy()

    return run


@contextlib.contextmanager
def one_thread() -> Generator[None]:
    """Sums in the same order on every machine: what is written is the same bytes however many cores there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _resized(image: Array, size: tuple[int, int]) -> Array:
    image = image[..., : size[0], : size[1]]
    pads = [(0, full - part) for full, part in zip(size, image.shape[-2:], strict=True)]
    return np.pad(image, [(0, 0), (0, 0), *pads], mode="reflect")
