"""Images of restoration: noisy and true picture once, restored one and residual of each row, on one scale an image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope.channels import to_channels
from zooscope.report.pictures import PERCENTILES, display_range, diverging, linear, webp
from zooscope.report.site.image_folders import ImageFolders
from zooscope.sample import Sample
from zooscope.store import Result

RESIDUAL = 1 / 8
"""Share of the displayed range at which a residual has its full colour: an RMSE of a quarter of that is 30 dB.

It depends on the truth alone, so residuals of all rows can be compared, those of later rows too."""

SIGNIFICANT = 4
"""Digits of values of the image that are told."""


def residual(restored: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.float64]:
    """Restored less true image, (y, x); of colours the luminance.

    Parameters
    ----------
    restored, truth : of one shape, (y, x) or (y, x, 3), in the same units.
    """
    less = restored.astype(np.float64) - truth.astype(np.float64)
    if less.ndim == 2:
        return less
    return to_channels(xr.DataArray(less, dims=("y", "x", "c")), 1)[0].astype(np.float64)


def _picture(sample: Sample, folder: Path) -> Mapping[str, Any]:
    low, high = display_range(sample.target)
    for layer, values in (("noisy", sample.image.values), ("truth", sample.target)):
        (folder / f"{sample.id}.{layer}.webp").write_bytes(webp(linear(values, low, high)))
    height, width = sample.target.shape[:2]
    return {
        "height": height,
        "width": width,
        "range": [_told(low), _told(high)],
        "percentiles": PERCENTILES,
        "residual": _told(RESIDUAL * (high - low)),
        "colour": sample.target.ndim == 3,
    }


def _prediction(result: Result, sample: Sample, folder: Path) -> Mapping[str, Any]:
    restored = result.prediction(sample.id)
    assert restored is not None
    low, high = display_range(sample.target)
    less = residual(restored, sample.target)
    (folder / f"{sample.id}.restored.webp").write_bytes(webp(linear(restored, low, high)))
    shown = diverging(less, RESIDUAL * (high - low))
    (folder / f"{sample.id}.residual.webp").write_bytes(webp(shown, lossless=True))
    return {"mean": _told(float(less.mean())), "deviation": _told(float(less.std()))}


def _told(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT}g}")


VIEW = ImageFolders("restored", 1, _picture, _prediction)
