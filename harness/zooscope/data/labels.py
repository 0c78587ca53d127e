"""Label images from the other ways in which sources store objects: a mask each, or run lengths each."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import measure

from zooscope.errors import DataError


def labels_from_masks(masks: Iterable[NDArray[np.bool_]], *, shape: tuple[int, int], source: str) -> NDArray[np.int32]:
    """One label an object, in the order given; empty masks are left out.

    Where masks overlap, the smaller object lies on top, so that none vanishes under another.

    Parameters
    ----------
    masks : each (y, x) of `shape`.
    """
    kept: list[NDArray[np.bool_]] = []
    for number, mask in enumerate(masks):
        if mask.shape != shape:
            raise DataError(f"{source}: mask {number} is {mask.shape}, but the image is {shape}")
        if mask.any():
            kept.append(mask)
    labels = np.zeros(shape, np.int32)
    for index in sorted(range(len(kept)), key=lambda i: -int(kept[i].sum())):
        labels[kept[index]] = index + 1
    return labels


def mask_from_runs(runs: str, *, shape: tuple[int, int], source: str) -> NDArray[np.bool_]:
    """Kaggle's run-length code: "start length start length ...", counted from 1, down the columns.

    Raises
    ------
    DataError : an odd count, words that are no numbers, or runs outside the image.
    """
    try:
        numbers = np.array(runs.split(), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{source}: run-length code with a word that is no number ({error})") from error
    starts, lengths, size = numbers[0::2] - 1, numbers[1::2], shape[0] * shape[1]
    if len(numbers) % 2 or (numbers < 1).any() or (numbers > size).any() or (starts + lengths > size).any():
        raise DataError(f"{source}: run-length code does not fit an image of {shape[0]}x{shape[1]} pixels")
    flat = np.zeros(size, bool)
    for start, length in zip(starts, lengths, strict=True):
        flat[start : start + length] = True
    return flat.reshape(shape, order="F")


def refuse_foreground_masks(labels: Iterable[NDArray[np.int32]], *, source: str) -> None:
    """Refuse images that are foreground masks: as labels they would be one object an image.

    That is so where no image has more than one value beside 0, and in some image its pixels are not connected.

    Raises
    ------
    DataError : they are.
    """
    scattered = False
    for image in labels:
        values = np.unique(image[image > 0])
        if len(values) > 1:
            return
        parts: Any = measure.label(image > 0, connectivity=2)
        scattered = scattered or bool((parts > 1).any())
    if scattered:
        raise DataError(
            f"{source}: no image has more than one label, though its foreground has several parts, so objects cannot "
            "be told apart; number them, e.g. with skimage.measure.label"
        )
