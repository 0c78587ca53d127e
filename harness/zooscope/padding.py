"""Padding: whether a package wants its halo added around each image. Found out from its own test tensors, not guessed.

bioimageio.core adds a package's halo on every side of its input and cuts it off the output; other tools run the bare
network. The two answer differently near the border, and a package's test output was made by one of them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope import atomic
from zooscope.cache import cache_folder
from zooscope.errors import PackageError, WorkerError
from zooscope.package_tensors import InputTensor, OutputTensor
from zooscope.runkey import digest_of

if TYPE_CHECKING:
    from zooscope.package import Package

BARE, HALO = "bare", "halo"
REPRODUCES = 0.02
"""Largest difference, by `difference`, of an answer that is taken for the package's own test output."""

BETTER = 2.0
"""How many times nearer one answer must be than the other."""

VERSION = 1


class Answers(Protocol):
    """What answers an image with maps."""

    def maps(self, image: xr.DataArray) -> NDArray[np.float32]:
        """Maps (c, y, x) of one image."""
        ...


@dataclass(frozen=True)
class Padding:
    """What was found.

    Attributes
    ----------
    name : "bare" or "halo".
    why : one line: by how much each answer differs from the package's test output, or why that was not found out.
    """

    name: str = BARE
    why: str = ""


def find_padding(
    package: "Package",
    weights: str,
    open_with: Callable[[str], AbstractContextManager[Answers]],
    decode: Callable[[NDArray[np.float32], tuple[int, int]], NDArray[np.int32]] | None,
    *,
    limits: Mapping[str, float | None] | None = None,
) -> Padding:
    """The padding that reproduces a package's own test output; "bare" where neither does.

    Measured once a package and weights format, then kept in the cache; where its process crashed or ran into the limits
    of time or memory, until these are others.

    Parameters
    ----------
    open_with : opens the model so that it pads as the name says.
    decode : maps and size (y, x) -> labels, for a package whose test output are labels.
    """
    if package.output.halo_px is None:
        return Padding()
    key = digest_of(package.digest, package.test_digest, weights, VERSION)
    folder = cache_folder("padding")
    known, crashed = folder / f"{key}.json", folder / f"{digest_of(key, dict(limits or {}))}.json"
    for path in (known, crashed):
        if path.is_file():
            return Padding(**json.loads(path.read_text(encoding="utf-8")))
    try:
        found = _measured(package, open_with, decode)
    except (PackageError, WorkerError) as error:
        found = Padding(BARE, f"not found out: {error}"[:300])
        known = crashed if isinstance(error, WorkerError) else known
    atomic.write_text(known, json.dumps(asdict(found)))
    return found


def halo_around(output: OutputTensor, space: str, padding: str) -> tuple[int, ...]:
    """Pixels that an image gets on each side of each axis of `space`; none of a bare network's."""
    return (output.halo_of(space) if padding == HALO else None) or (0,) * len(space)


def padded(array: NDArray[np.generic], given: InputTensor, around: Sequence[int]) -> NDArray[np.generic]:
    """An image (c, y, x) or volume (c, z, y, x) with so many pixels on every side, as bioimageio.core pads it."""
    if not any(around):
        return array
    value = {"constant_values": given.pad_value} if given.pad_mode == "constant" else {}
    widths = [(0, 0), *((n, n) for n in around)]
    return np.pad(array, widths, mode=given.pad_mode, **value)  # type: ignore[arg-type]


def share_of(time_limit_s: float) -> float:
    """The time limit of the processes that measure padding: a quarter of a row's own, but 20 s where that has them.

    So a package that hangs costs its time limit once, and this share of it.
    """
    return min(time_limit_s, max(20.0, time_limit_s / 4))


def difference(answer: NDArray[Any], expected: NDArray[Any]) -> float:
    """How far maps are from expected ones: root mean square, as a share of the range of the expected values."""
    spread = float(np.ptp(expected)) or 1.0
    return float(np.sqrt(np.mean((answer.astype(np.float64) - expected) ** 2))) / spread


def difference_of_labels(answer: NDArray[Any], expected: NDArray[Any]) -> float:
    """Share of pixels whose object is another one; how objects are numbered does not matter."""
    both = np.stack([expected.ravel(), answer.ravel()]).astype(np.int64)
    pairs, counts = np.unique(both, axis=1, return_counts=True)
    agreeing, taken = 0, (set[int](), set[int]())
    for one, two, count in sorted(zip(*pairs.tolist(), counts.tolist(), strict=True), key=lambda item: -item[2]):
        if one not in taken[0] and two not in taken[1] and (one == 0) == (two == 0):
            agreeing += count
            taken[0].add(one)
            taken[1].add(two)
    return 1 - agreeing / max(expected.size, 1)


def _measured(
    package: "Package",
    open_with: Callable[[str], AbstractContextManager[Answers]],
    decode: Callable[[NDArray[np.float32], tuple[int, int]], NDArray[np.int32]] | None,
) -> Padding:
    image, expected = package.test_tensors()
    differences: dict[str, float] = {}
    for name in (BARE, HALO):
        with open_with(name) as model:
            maps = model.maps(image)
        if decode is None:
            answer, measure = maps, difference
        else:
            answer, measure = decode(maps, (image.sizes["y"], image.sizes["x"]))[None], difference_of_labels
        if answer.shape != expected.shape:
            raise PackageError(
                f"its test output has shape {expected.shape}, its answer to the test input {answer.shape}"
            )
        differences[name] = measure(answer, expected)
        if name == BARE and differences[BARE] <= REPRODUCES / 1000:
            return Padding(BARE, f"its test output is the bare network's (difference {differences[BARE]:.1g})")
    bare, halo = differences[BARE], differences[HALO]
    told = f"difference {bare:.1g} bare, {halo:.1g} with its halo around the image"
    if halo <= REPRODUCES and halo * BETTER <= bare:
        return Padding(HALO, f"its test output was made with padding: {told}")
    if bare <= REPRODUCES and bare * BETTER <= halo:
        return Padding(BARE, f"its test output is the bare network's: {told}")
    return Padding(BARE, f"its test output does not tell: {told}")
