"""Contours of labelled objects, sampled so that a network can learn them point by point."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours, label


def components(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """The connected parts (8-neighbourhood) of each object numbered 1..n; a patch may have cut an object into some."""
    return np.asarray(label(labels, connectivity=2), np.int32)


def contours(parts: NDArray[np.int32], samples: int) -> NDArray[np.float32]:
    """Outer contours (n, 2, samples), y and x in pixels, of parts (y, x) numbered 1..n; holes are not seen."""
    padded = np.pad(parts, 1)  # what the patch cuts is closed along its border
    found = np.empty((int(parts.max(initial=0)), 2, samples), np.float32)
    for number, (y, x) in enumerate(ndimage.find_objects(padded), start=1):
        box = slice(y.start - 1, y.stop + 1), slice(x.start - 1, x.stop + 1)
        outer = max(find_contours(padded[box] == number, 0.5, fully_connected="high"), key=len)[:-1]
        points = sampled(outer[:, 1] + 1j * outer[:, 0], samples)
        found[number - 1] = points.imag + y.start - 2, points.real + x.start - 2
    return found


def sampled(outline: NDArray[np.complex128], samples: int) -> NDArray[np.complex128]:
    """Points at equal arc length along a closed polygon x + i y, in the same order for all contours.

    They turn from x towards y, and begin where the first Fourier coefficient is real and positive (Kuhl and Giardina
    1982, doi:10.1016/0146-664X(82)90034-X): point k of n lies roughly in the direction 2 pi k / n from the middle.
    Unlike the topmost point, this start moves steadily while a shape bends or turns.
    """
    if (outline.conj() * np.roll(outline, -1)).imag.sum() < 0:
        outline = outline[::-1]
    closed = np.append(outline, outline[0])
    travelled = np.append(0, np.abs(np.diff(closed)).cumsum())
    steps = np.arange(samples) / samples
    first = np.interp(steps * travelled[-1], travelled, closed) @ np.exp(-2j * np.pi * steps)
    steps = (steps - np.angle(first) / (2 * np.pi)) % 1
    return np.interp(steps * travelled[-1], travelled, closed)
