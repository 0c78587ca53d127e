"""The architecture file: a method's network and the files it uses, as one .py that imports torch alone."""

import ast
import importlib.util
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from zooscope.errors import ZooscopeError
from zooscope_zoo.packaging.trained import Trained

_OURS = ("zooscope", "zooscope_zoo")

_CHANNELS_LAST = '''

class ChannelsLast({network}):
    """{network} with its maps as (b, y, x, channels), which the operation stardist_postprocessing takes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same maps, channels last."""
        return super().forward(x).permute(0, 2, 3, 1)
'''

_TURNED = '''

FLIP_Y = {turning.flip_y}
FLIP_X = {turning.flip_x}
TRANSPOSE = {turning.transpose}
"""For each map of an image: the map of the turned image that says the same, and its sign."""

GRID = {grid}
"""Pixels of the image, along an edge, to one of the maps."""


class Turned({network}):
    """The mean of what {network} gives for an image flipped and rotated, in y and x, in all eight ways."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The mean, turned back."""
        answers: list[torch.Tensor] = []
        for transposed in (False, True):
            for axes in ((), (-2,), (-1,), (-2, -1)):
                image = x.transpose(-2, -1) if transposed else x
                for axis in axes:
                    image = flipped(image, axis)
                answer = super().forward(image)
                for axis in axes:
                    answer = taken(answer.flip(axis), FLIP_Y if axis == -2 else FLIP_X)
                answers.append(taken(answer.transpose(-2, -1), TRANSPOSE) if transposed else answer)
        return torch.stack(answers).mean(0)


def flipped(image: torch.Tensor, axis: int) -> torch.Tensor:
    """Flipped, and shifted so that the first pixel of every cell of the grid is one it was before."""
    image, shift = image.flip(axis), GRID - 1
    if not shift:
        return image
    length = image.shape[axis]
    first, last = image.narrow(axis, shift, length - shift), image.narrow(axis, length - shift, shift)
    return torch.cat([first, last.flip(axis)], axis)


def taken(maps: torch.Tensor, places: tuple[tuple[int, int], ...]) -> torch.Tensor:
    """The maps in another order, some with their sign changed."""
    if all(place == (number, 1) for number, place in enumerate(places)):
        return maps
    chosen = maps[:, [place for place, _ in places]]
    signs = torch.tensor([float(sign) for _, sign in places], dtype=maps.dtype, device=maps.device)
    return chosen * signs.view(1, -1, 1, 1)
'''


@dataclass(frozen=True)
class Architecture:
    """A file's text, the class in it, and the class's keyword arguments."""

    source: str
    callable: str
    kwargs: dict[str, Any]

    def build(self) -> nn.Module:
        """The network of this very text, without weights, in evaluation mode."""
        module = ModuleType("architecture")
        exec(compile(self.source, "architecture.py", "exec"), module.__dict__)
        return getattr(module, self.callable)(**self.kwargs).eval()


def architecture(trained: Trained, *, channels_last: bool = False, tta: bool = False) -> Architecture:
    """The architecture of a trained network; with `channels_last` its maps are turned to (b, y, x, c).

    With `tta` its answer is the mean over the image's eight flips and rotations (test-time augmentation).

    Raises
    ------
    ZooscopeError : a file that imports something of zooscope which does not travel with it.
    """
    network = type(trained.network())
    name = network.__name__
    source = merge(trained.method.architecture)
    if tta:
        turned = _TURNED.format(network=name, turning=trained.turning, grid=trained.method.grid(trained.settings))
        source, name = source + turned, "Turned"
    if channels_last:
        source, name = source + _CHANNELS_LAST.format(network=name), "ChannelsLast"
    known = inspect.signature(network).parameters
    # not of model_dump: a property of the settings may stand for a parameter
    kwargs = {key: getattr(trained.settings, key) for key in known if hasattr(trained.settings, key)}
    return Architecture(source, name, kwargs)


def merge(modules: Sequence[str]) -> str:
    """One file of several modules: each one's imports of the others left out, every other import once at the top."""
    imports: dict[str, None] = {}
    bodies: list[str] = []
    for module in modules:
        text = _source(module)
        drop: set[int] = set()
        for node in ast.parse(text).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                drop |= _lines(node)
                if isinstance(node, ast.ImportFrom) and node.module in modules:
                    continue
                _refuse_ours(node, module)
                imports[ast.unparse(node)] = None
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.lineno == 1:
                drop |= _lines(node)
        kept = [line for number, line in enumerate(text.splitlines(), start=1) if number not in drop]
        bodies.append("\n".join(kept).strip("\n"))
    title = '"""The network of this package; it needs torch alone."""'
    return "\n\n\n".join([title + "\n\n" + "\n".join(sorted(imports)), *bodies]) + "\n"


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ZooscopeError(f"architecture: there is no module '{module}'")
    return Path(spec.origin).read_text(encoding="utf-8")


def _lines(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def _refuse_ours(node: ast.Import | ast.ImportFrom, module: str) -> None:
    """An import that would fail where zooscope is not installed."""
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    for name in names:
        if name.partition(".")[0] in _OURS or (isinstance(node, ast.ImportFrom) and node.level):
            raise ZooscopeError(f"architecture: {module} imports {name or '.'}, which does not travel in the package")
