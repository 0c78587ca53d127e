"""Sizing: the scale of an image at which a network that learned from objects of one size finds its objects.

Cellpose resizes images so (Stringer et al. 2021, doi:10.1038/s41592-020-01018-x), from the median diameter of objects;
there another model guesses it, here the network itself is asked, at several scales.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope.errors import PackageError, UsageError
from zooscope.resampling import scaled_image

VERSION = 2

SCALES = (0.5, 1.0, 2.0)
"""At which an image is looked at to find out: a network that knows 30 px sees objects of 60, 30 or 15 px so."""

ALWAYS = 2
"""So many of them in every image. The others, which take most of the time, only where objects still look small."""

SMALL = 2**-0.5
"""Of the known diameter: objects that are smaller look more like it at twice the scale."""

LOOKED_AT_PX = 1024
"""Edge of the part in the middle of a larger image that is looked at."""

FACTORS = (0.25, 4.0)
"""The most that an image is shrunk and enlarged."""

STEPS = 8
"""To an octave: a scale is rounded to them, so that what another processor rounds otherwise changes none."""


@dataclass(frozen=True)
class Sizing:
    """How images are brought to a size.

    Attributes
    ----------
    known_px : median diameter of the objects that the network learned from.
    given_px : that of the objects of all images to predict; None to find it out for each.
    """

    known_px: float
    given_px: float | None = None

    @property
    def told(self) -> str:
        """For the run's key."""
        return f"{'auto' if self.given_px is None else f'{self.given_px:g}'} px@{VERSION}"


@dataclass(frozen=True)
class View:
    """What a network found at one scale.

    Attributes
    ----------
    evidence : area of the objects, in pixels of the image as it is, each times its score and its nearness to the size
        that the network knows: the smaller diameter over the larger.
    diameter_px : median, by score, of the objects there; 0 where there are none.
    """

    scale: float
    evidence: float
    diameter_px: float


def sizing_for(known_px: float | None, wanted: str | float = "auto") -> Sizing | None:
    """The sizing of images, None where they are predicted as they are.

    Parameters
    ----------
    known_px : diameter that a package's network knows, if the package says one.
    wanted : "auto", where the package says which diameter it knows; "off"; or the median diameter of the objects in px.

    Raises
    ------
    UsageError : something else, or a diameter that images cannot be brought to. PackageError : a diameter for a package
        that says none.
    """
    if wanted == "off" or (wanted == "auto" and known_px is None):
        return None
    try:
        given = None if wanted == "auto" else float(wanted)
    except ValueError:
        raise UsageError(f"diameter '{wanted}' is not auto, off or a number of pixels") from None
    if known_px is None:
        raise PackageError("does not say which diameter of objects it knows, so none can be given")
    least, most = known_px / FACTORS[1], known_px / FACTORS[0]
    if given is not None and not least <= given <= most:
        raise UsageError(
            f"diameter {given:g} px: for a network that knows {known_px:g} px, {least:g} to {most:g} can be"
        )
    return Sizing(float(known_px), given)


def find_scale(
    image: xr.DataArray,
    sizing: Sizing | None,
    maps: Callable[[xr.DataArray], NDArray[np.float32]],
    decode: Callable[[NDArray[np.float32], tuple[int, ...]], tuple[NDArray[Any], Mapping[str, NDArray[Any]]]],
) -> float:
    """The factor by which an image is to be enlarged.

    Parameters
    ----------
    maps : image -> maps. decode : maps and (y, x) -> labels and their objects.
    """
    if sizing is None:
        return 1.0
    if sizing.given_px is not None:
        return scale_between(sizing.given_px, sizing.known_px)
    views: list[View] = []
    while scales := scales_ahead(views, sizing.known_px):
        for scale in scales:
            part = seen_at(image, scale)
            views.append(view(*decode(maps(part), part.shape[:2]), scale=scale, known_px=sizing.known_px))
    return scale_of(views, sizing.known_px)


def scales_ahead(views: Sequence[View], known_px: float) -> tuple[float, ...]:
    """The scales to look at an image next, after these views at the first of `SCALES`; none when that is enough."""
    if not views:
        return SCALES[:ALWAYS]
    best = max(views, key=lambda one: one.evidence)
    enough = best.evidence > 0 and (best is not views[-1] or best.diameter_px >= SMALL * known_px)
    return () if enough else SCALES[len(views) : len(views) + 1]


def seen_at(image: xr.DataArray, scale: float) -> xr.DataArray:
    """The middle of an image, enlarged `scale` times."""
    y, x = (
        slice(start, start + min(length, LOOKED_AT_PX))
        for length in image.shape[:2]
        for start in [max(0, length - LOOKED_AT_PX) // 2]
    )
    return scaled_image(image[y, x], scale)


def view(labels: NDArray[np.int32], objects: Mapping[str, NDArray[Any]], *, scale: float, known_px: float) -> View:
    """What labels 1..n of an image enlarged `scale` times tell of the size of its objects."""
    diameters = diameters_px(labels)
    if not len(diameters):
        return View(scale, 0.0, 0.0)
    scores = np.asarray(objects.get("score", np.ones(len(diameters))), np.float64)
    areas = np.pi / 4 * (diameters / scale) ** 2
    near = np.minimum(diameters / known_px, known_px / diameters)
    order = np.argsort(diameters, kind="stable")
    sums = np.cumsum(scores[order])
    middle = diameters[order][np.searchsorted(sums, sums[-1] / 2)]
    return View(scale, float((scores * areas * near).sum()), float(middle))


def scale_of(views: Sequence[View], known_px: float) -> float:
    """The factor that brings an image's objects to the known size, by the view with the most evidence."""
    best = max(views, key=lambda one: one.evidence)
    if best.evidence == 0:
        return 1.0
    return scale_between(best.diameter_px / best.scale, known_px)


def scale_between(found_px: float, wanted_px: float) -> float:
    """The factor from one diameter to the other, rounded to eighths of an octave, within `FACTORS`."""
    factor = 2.0 ** (round(STEPS * math.log2(wanted_px / found_px)) / STEPS)
    return min(max(factor, FACTORS[0]), FACTORS[1])


def diameters_px(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """Diameters of circles as large as each object, in the order of the labels that there are."""
    areas = np.bincount(labels.ravel())[1:]
    return np.sqrt(4 / np.pi * areas[areas > 0])
