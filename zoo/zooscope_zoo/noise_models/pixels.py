"""Pixels whose signal is known: of a calibration stack, or of noisy images with clean or denoised ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import DataError, UsageError
from zooscope.imagefile import read_array

Observed = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Observed values and their signals, (n,) each, in the images' units."""

LEAST_FRAMES = 10


def stack_pixels(path: Path) -> Observed:
    """Of many frames of a scene that does not change: the signal is their mean.

    A frame is part of that mean, so the differences are sqrt(1 - 1/n) times too small, and are made longer by that.

    Parameters
    ----------
    path : an image file (frame, y, x), at least 10 frames.

    Raises
    ------
    DataError : another shape, too few frames.
    """
    frames = read_array(path).astype(np.float32)
    if frames.ndim != 3 or len(frames) < LEAST_FRAMES:
        raise DataError(f"{path}: shape {frames.shape}; {LEAST_FRAMES} frames (frame, y, x) of one scene are expected")
    signal = frames.mean(0, dtype=np.float64).astype(np.float32)[None]
    observed = signal + (frames - signal) * np.float32(np.sqrt(len(frames) / (len(frames) - 1)))
    return observed.ravel(), np.broadcast_to(signal, frames.shape).ravel()


def pair_pixels(noisy: Sequence[Path], clean: Sequence[Path]) -> Observed:
    """Of noisy images and the clean ones of the same scenes; denoised ones do too (bootstrapping, Prakash et al. 2020).

    What a denoised image lost of the signal counts as noise then. DataError where shapes differ, UsageError where the
    numbers of files do.
    """
    if not noisy or len(noisy) != len(clean):
        raise UsageError(f"{len(noisy)} noisy images, but {len(clean)} clean ones; each noisy one needs its own")
    observed: list[NDArray[np.float32]] = []
    signal: list[NDArray[np.float32]] = []
    for first, second in zip(noisy, clean, strict=True):
        images = [read_array(path).astype(np.float32) for path in (first, second)]
        if images[0].shape != images[1].shape:
            raise DataError(f"{first}: shape {images[0].shape}, but {second} is of {images[1].shape}")
        observed.append(images[0].ravel())
        signal.append(images[1].ravel())
    return np.concatenate(observed), np.concatenate(signal)
