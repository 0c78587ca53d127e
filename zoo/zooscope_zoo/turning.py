"""Turning: what becomes of a method's maps when the image is flipped or transposed."""

from dataclasses import dataclass

Maps = tuple[tuple[int, int], ...]
"""For each map of an image: the map of the turned image that says the same, turned back, and its sign."""


@dataclass(frozen=True)
class Turning:
    """How maps answer to turns of the image, one field for each turn of which all others are made."""

    flip_y: Maps
    flip_x: Maps
    transpose: Maps


def scalars(number: int) -> Maps:
    """Of maps that say nothing of directions: they turn with the image and stay what they are."""
    return tuple((place, 1) for place in range(number))


def unchanged(number: int) -> Turning:
    """The same for all turns."""
    return Turning(scalars(number), scalars(number), scalars(number))


def around(number: int) -> tuple[list[int], list[int], list[int]]:
    """Of `number` directions, the k-th at y = sin(2 pi k / number), x = cos(2 pi k / number): which one each becomes.

    By flip_y, flip_x and transpose; `number` is a multiple of 4.
    """
    flip_y, flip_x, transpose = ([(number * axis // 4 - k) % number for k in range(number)] for axis in (0, 2, 1))
    return flip_y, flip_x, transpose


def vectors(before: int, after: int = 0) -> Turning:
    """Of maps that are scalars but for a vector, y then x, after the first `before` of them."""
    y, x = before, before + 1
    kept, rest = scalars(before), tuple((x + 1 + place, 1) for place in range(after))
    return Turning(
        flip_y=(*kept, (y, -1), (x, 1), *rest),
        flip_x=(*kept, (y, 1), (x, -1), *rest),
        transpose=(*kept, (x, 1), (y, 1), *rest),
    )
