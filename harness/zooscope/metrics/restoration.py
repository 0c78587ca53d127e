"""Restoration: what is measured of a restored image and its truth. One value an image and metric; scores are means.

Which values are undefined (NaN) depends on the truth alone, its shape and range, so the same images are left out for
every model, and a bad prediction never drops out of a mean. No value is infinite.
"""

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from zooscope.metrics import care, frc, ms_ssim, nrmse, psnr, ssim
from zooscope.metrics.image_pair import ImagePair
from zooscope.metrics.metric import Metric

FAMILIES = (psnr, nrmse, ssim, ms_ssim, frc, care)


def measure(prediction: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """The record of one image; each column is a metric's name without its version.

    Parameters
    ----------
    prediction, truth : of one shape, (y, x), (y, x, 3) or (z, y, x); integers or floats, in the same units.

    Raises
    ------
    ValueError : images that cannot be compared, see `ImagePair.of`.
    """
    pair = ImagePair.of(prediction, truth)
    return {name: value for family in FAMILIES for name, value in family.measure(pair).items()}


def metrics() -> Iterator[Metric]:
    """All of this family."""
    for family in FAMILIES:
        yield from family.metrics()
