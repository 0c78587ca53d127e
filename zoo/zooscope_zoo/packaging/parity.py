"""Parity: the three weights formats against each other, on three sizes of image, or there is no package."""

import contextlib
import io
from collections.abc import Generator, Mapping, Sequence
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
    """The largest difference of a format from the state dict, on images of one size (y, x), and what is allowed.

    Of volumes the size is (z, y, x).
    """

    format: str
    size: tuple[int, ...]
    difference: float
    limit: float


def prove_parity(
    files: Mapping[str, bytes], architecture: Architecture, image: Array, *, sizes: Sequence[AxisSize]
) -> list[Agreement]:
    """TorchScript and ONNX against the state dict in the architecture file, in batches of two images.

    Torch computes with one thread meanwhile: the figures travel in the package, and the order of sums shows in them.

    Parameters
    ----------
    files : the weights files by name.
    image : (1, c, y, x) or (1, c, z, y, x), normalised; continued by reflection to each size.
    sizes : allowed ones along each axis of space.

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
            place = f"{name} at {'x'.join(map(str, size))} px"
            if answer.shape != expected.shape:
                raise ZooscopeError(f"parity: {place} gives shape {answer.shape}, the state dict {expected.shape}")
            difference = float(np.abs(answer - expected).max())
            if not difference <= limit:
                figures = f"{difference:.3g}; allowed is {limit:.3g}"
                raise ZooscopeError(f"parity: {place} differs from the state dict by {figures}")
            found.append(Agreement(name, size, difference, limit))
    return found


def parity_sizes(sizes: Sequence[AxisSize]) -> list[tuple[int, ...]]:
    """The smallest one, and two that are neither of one length along all axes nor small."""
    further = [(0, 0), (1, 3), (4, 2)] if len(sizes) == 2 else [(0, 0, 0), (2, 1, 3), (1, 4, 2)]
    return [tuple(size.minimum + k * size.step for size, k in zip(sizes, steps, strict=True)) for steps in further]


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


def _resized(image: Array, size: tuple[int, ...]) -> Array:
    image = image[(..., *(slice(length) for length in size))]
    pads = [(0, full - part) for full, part in zip(size, image.shape[2:], strict=True)]
    return np.pad(image, [(0, 0), (0, 0), *pads], mode="reflect")
