"""Pictures: an image with what was found, missed and invented, as outlines that a colour-blind eye can tell apart."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

from zooscope.metrics.overlap import Overlap
from zooscope.report.pictures import as_rgb

HIT, MISSED, FALSE = (0, 158, 220), (255, 190, 40), (235, 60, 180)
"""Outline colours, in the manner of Okabe and Ito: a hit (IoU >= 0.5), a missed true object, a false one."""

MAX_EDGE_PX = 640


def overlay(image: xr.DataArray, prediction: NDArray[np.int32], truth: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The image (y, x, 3) with outlines: hits and false objects as predicted, missed ones as annotated."""
    step = -(-max(truth.shape) // (2 * MAX_EDGE_PX))
    pixels = as_rgb(image)[::step, ::step].copy()
    prediction, truth = prediction[::step, ::step], truth[::step, ::step]
    factor = 2 if max(truth.shape) * 2 <= MAX_EDGE_PX else 1
    pixels, prediction, truth = _larger(pixels, factor), _larger(prediction, factor), _larger(truth, factor)
    overlap = Overlap.of(prediction, truth)
    matched = overlap.iou >= 0.5
    ids_true, ids_found = np.unique(truth[truth > 0]), np.unique(prediction[prediction > 0])
    missed = np.setdiff1d(ids_true, ids_true[overlap.truth[matched]])
    false = np.setdiff1d(ids_found, ids_found[overlap.predicted[matched]])
    edges = _outlines(prediction)
    invented = np.isin(prediction, false) & (prediction > 0)
    pixels[_outlines(np.where(np.isin(truth, missed), truth, 0))] = MISSED
    pixels[edges & ~invented] = HIT
    pixels[edges & invented] = FALSE
    return pixels


def _larger(array: NDArray[Any], factor: int) -> NDArray[Any]:
    return np.repeat(np.repeat(array, factor, 0), factor, 1)


def _outlines(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Two pixels wide, inside each object, so that they survive a smaller display."""
    edges = find_boundaries(labels, mode="inner")
    return edges | (find_boundaries(np.where(edges, 0, labels), mode="inner") & (labels > 0))
