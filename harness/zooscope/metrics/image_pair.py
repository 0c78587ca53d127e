"""ImagePair: a restored image and its truth, checked once, as float64."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.metrics.metric import Array

COLOURS = 3
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class ImagePair:
    """Two images of one shape: (y, x); (y, x, 3), colour; or (z, y, x), a volume.

    Attributes
    ----------
    prediction, truth : float64, whatever their dtype was, so that no difference of unsigned integers wraps around.
    coloured : whether the last axis is red, green, blue.
    """

    prediction: Array
    truth: Array
    coloured: bool

    @classmethod
    def of(cls, prediction: NDArray[Any], truth: NDArray[Any]) -> "ImagePair":
        """Check and convert.

        Parameters
        ----------
        prediction, truth : integers or floats. Three axes of which the last has 3 entries are colour; any other three
            axes are a volume, whose last axis must have at least 5, so that no channels are taken for pixels.

        Raises
        ------
        ValueError : shapes that differ or are none of these, no pixels, other dtypes (also yes/no), NaN, infinity,
            values beyond float32.
        """
        for name, image in (("prediction", prediction), ("truth", truth)):
            if image.dtype.kind not in "iuf":
                raise ValueError(f"{name} is {image.dtype}; pixels are integers or floats")
        if prediction.shape != truth.shape:
            raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
        coloured = truth.ndim == 3 and truth.shape[-1] == COLOURS
        if truth.ndim not in (2, 3) or (truth.ndim == 3 and not coloured and truth.shape[-1] < 5):
            raise ValueError(f"images of shape {truth.shape}; (y, x), (y, x, 3) or (z, y, x) are expected")
        if truth.size == 0:
            raise ValueError(f"images of shape {truth.shape} have no pixels")
        pair = cls(np.asarray(prediction, np.float64), np.asarray(truth, np.float64), coloured)
        for name, image in (("prediction", pair.prediction), ("truth", pair.truth)):
            # written so that NaN, which is neither small nor large, is caught
            if not (image.min() >= -LARGEST and image.max() <= LARGEST):
                raise ValueError(f"{name} holds NaN, infinity or values beyond float32")
        return pair

    @cached_property
    def mean_square(self) -> float:
        """Mean over all values of (prediction - truth)^2."""
        return mean_square(self.prediction, self.truth)

    @cached_property
    def ranges(self) -> Mapping[str, float]:
        """What a PSNR or SSIM takes as the truth's range, by name; NaN where the truth has no such range.

        `range-255` is 255, for truths within [0, 255]; `range-gt` is the truth's maximum less its minimum, unless that
        is zero. Neither depends on the prediction.
        """
        low, high = float(self.truth.min()), float(self.truth.max())
        return {
            "range-255": 255.0 if low >= 0 and high <= 255 else np.nan,
            "range-gt": high - low if high > low else np.nan,
        }

    @property
    def smallest_edge(self) -> int:
        """The shorter of y and x in pixels."""
        return min(self.truth.shape[:2] if self.coloured else self.truth.shape[-2:])

    def channels(self) -> Iterator[tuple[Array, Array]]:
        """Prediction and truth of each colour, (y, x) each; the whole of a gray image or a volume."""
        if not self.coloured:
            yield self.prediction, self.truth
            return
        for channel in range(COLOURS):
            yield self.prediction[..., channel], self.truth[..., channel]

    def planes(self) -> Iterator[tuple[Array, Array]]:
        """Prediction and truth of each colour or each z, (y, x) each."""
        for prediction, truth in self.channels():
            if truth.ndim == 2:
                yield prediction, truth
            else:
                yield from zip(prediction, truth, strict=True)


def mean_square(prediction: Array, truth: Array) -> float:
    """Mean over all values of (prediction - truth)^2."""
    # no dot product: BLAS shares it among threads, which a scorer in several processes waits for, and its sum differs
    # from machine to machine
    return float(np.mean(np.square(prediction - truth)))


def fit_affine(prediction: Array, truth: Array) -> Array:
    """The prediction times a plus b, with the a and b of the least mean square; one a and one b over all axes.

    The mean of the truth where the prediction is constant. `a` may be negative: an image and its negative fit alike.
    """
    centred, target = prediction - prediction.mean(), truth.mean()
    power = float(np.mean(np.square(centred)))
    slope = float(np.mean(centred * (truth - target))) / power if power > 0 else 0.0
    return slope * centred + target
