"""CARE's set: NRMSE, PSNR and SSIM of a normalised truth and a fitted prediction.

Weigert et al. 2018, doi:10.1038/s41592-018-0216-7; Noise2Same's tables use the same.
"""

import math
from collections.abc import Iterator

import numpy as np

from zooscope.metrics.image_pair import ImagePair, fit_affine, mean_square
from zooscope.metrics.local_moments import UNIFORM_7, LocalMoments
from zooscope.metrics.metric import Metric, mean_of_images
from zooscope.metrics.psnr import LIMIT, psnr

PERCENTILES = 0.1, 99.9


def measure(pair: ImagePair) -> dict[str, float]:
    """The three of one image; NaN where the truth's percentiles are equal, SSIM also below 7 pixels.

    Percentiles and fit are over all values: pixels, colours, planes. SSIM as in `ssim.measure`.
    """
    low, high = np.percentile(pair.truth, PERCENTILES)
    if low == high:
        return dict.fromkeys(("nrmse.care", "psnr.care", "ssim.care"), math.nan)
    truth = (pair.truth - low) / (high - low)
    fitted = ImagePair(fit_affine(pair.prediction, truth), truth, pair.coloured)
    error = mean_square(fitted.prediction, truth)
    return {"nrmse.care": math.sqrt(error), "psnr.care": psnr(error, 1.0), "ssim.care": _ssim(fitted)}


def metrics() -> Iterator[Metric]:
    """All of this family."""
    normalised = "the truth less its 0.1 percentile, over its 99.9 less its 0.1 percentile, not clipped"
    of = f"of a prediction + b, with the best a and b, and {normalised}"
    left_out = "left out where the percentiles are equal"
    what = f"root of the mean square of the difference {of}; {left_out}"
    yield mean_of_images("nrmse.care", "NRMSE, CARE's", what, higher_is_better=False)
    what = f"10 log10(1 / mean square of the difference) {of}; {LIMIT}; {left_out}"
    yield mean_of_images("psnr.care", "PSNR, CARE's", what)
    what = f"SSIM, 7-pixel uniform window, only where it lies inside, range 1, {of}; {left_out} or smaller"
    yield mean_of_images("ssim.care", "SSIM, CARE's", what)


def _ssim(pair: ImagePair) -> float:
    if not all(UNIFORM_7.fits(truth) for _, truth in pair.channels()):
        return math.nan
    return float(np.mean([LocalMoments.of(*channel, UNIFORM_7).ssim(1.0) for channel in pair.channels()]))
