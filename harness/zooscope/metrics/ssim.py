"""SSIM: structural similarity, in both window conventions and with both ranges. Wang et al. 2004."""

import math
from collections.abc import Iterator

import numpy as np

from zooscope.metrics.image_pair import ImagePair
from zooscope.metrics.local_moments import GAUSSIAN_11, UNIFORM_7, LocalMoments
from zooscope.metrics.metric import Metric, mean_of_images

WINDOWS = {"uniform-7": UNIFORM_7, "gaussian-11": GAUSSIAN_11}

_TOLD = {
    "uniform-7": "7-pixel uniform window (scikit-image's default)",
    "gaussian-11": "11-pixel Gaussian window of sigma 1.5 (Wang 2004)",
    "range-255": "range 255; left out where the truth leaves [0, 255]",
    "range-gt": "range max - min of the truth; left out where the truth is constant",
}


def measure(pair: ImagePair) -> dict[str, float]:
    """SSIM of one image; NaN where it is smaller than the window or the truth has no such range.

    Of colour the mean of the channels' values; in a volume the window is a cube, as in scikit-image.
    """
    record = {f"ssim.{window}-{name}": math.nan for window in WINDOWS for name in pair.ranges}
    for name, window in WINDOWS.items():
        if not all(window.fits(truth) for _, truth in pair.channels()):
            continue
        moments = [LocalMoments.of(prediction, truth, window) for prediction, truth in pair.channels()]
        for span_name, span in pair.ranges.items():
            record[f"ssim.{name}-{span_name}"] = float(np.mean([channel.ssim(span) for channel in moments]))
    return record


def metrics() -> Iterator[Metric]:
    """All of this family."""
    for window in WINDOWS:
        for span in ("range-255", "range-gt"):
            what = f"SSIM, {_TOLD[window]}, only where it lies inside, {_TOLD[span]} or smaller than the window"
            yield mean_of_images(f"ssim.{window}-{span}", f"SSIM, {window}, {span}", what)
