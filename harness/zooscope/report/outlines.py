"""Outlines: the border of each object of a label image as an SVG path along its pixels' edges, exact at any zoom."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zooscope.metrics.overlap import Labels

RIGHT, DOWN, LEFT, UP = range(4)


def outlines(labels: Labels) -> list[str]:
    """A path an object, in the order of their labels: closed loops in pixels, holes among them (fill rule evenodd).

    Parameters
    ----------
    labels : (y, x), 0 is background. The path of a pixel at y, x goes around x..x+1, y..y+1.
    """
    owner, start, heading = _edges(labels)
    order = np.lexsort((start, owner))
    owner, start, heading = owner[order], start[order], heading[order]
    bounds = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1], True]) if len(owner) else np.zeros(1, int)
    width = labels.shape[1] + 1
    starts, headings = start.tolist(), heading.tolist()
    return [_path(starts[low:high], headings[low:high], width) for low, high in pairwise(bounds.tolist())]


def _edges(labels: Labels) -> tuple[NDArray[np.integer], NDArray[np.intp], NDArray[np.intp]]:
    """Every edge between a pixel and one that is not of its object: whose it is, the corner where it starts, heading.

    Edges run clockwise around their object. Corners are numbered row by row, one more a row than there are pixels.
    """
    padded = np.pad(labels, 1)
    width = labels.shape[1] + 1
    found: list[tuple[NDArray[np.integer], NDArray[np.intp], NDArray[np.intp]]] = []
    above, below = padded[:-1, 1:-1], padded[1:, 1:-1]
    left, right = padded[1:-1, :-1], padded[1:-1, 1:]
    for one, other, heading, shift in (
        (below, above, RIGHT, 0),
        (above, below, LEFT, 1),
        (left, right, DOWN, 0),
        (right, left, UP, width),
    ):
        y, x = np.nonzero((one != other) & (one > 0))
        found.append((one[y, x], y * width + x + shift, np.full(len(y), heading)))
    owner, start, heading = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return owner, start, heading


def _path(starts: list[int], headings: list[int], width: int) -> str:
    """Chain one object's edges into loops; where two pixels touch at a corner, each keeps its own loop."""
    step = (1, width, -1, -width)
    leaving: dict[int, list[int]] = {}
    for corner, heading in zip(starts, headings, strict=True):
        leaving.setdefault(corner, []).append(heading)
    parts: list[str] = []
    for first in starts:
        if not leaving[first]:
            continue
        heading = leaving[first].pop()
        parts.append(f"M{first % width},{first // width}")
        corner, length = first + step[heading], 1
        while corner != first:
            options, turn = leaving[corner], (heading + 1) % 4
            following = turn if turn in options else options[0]
            options.remove(following)
            if following == heading:
                length += 1
            else:
                parts.append(_run(heading, length))
                heading, length = following, 1
            corner += step[heading]
        parts.append("z")
    return "".join(parts)


def _run(heading: int, length: int) -> str:
    return f"{'hv'[heading % 2]}{length if heading in (RIGHT, DOWN) else -length}"
