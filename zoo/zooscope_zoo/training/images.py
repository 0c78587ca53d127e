"""The images that a training sees: normalised, with labels; and what is wrong with those it cannot learn from."""

import fnmatch
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.errors import DataError
from zooscope.progress import track
from zooscope.sample import Sample

PERCENTILES = (1.0, 99.8)
"""Images are scaled so that these become 0 and 1; packages do the same with `scale_range`."""

VALIDATION_SHARE = 0.15
"""Of the groups, where a data set has no validation split."""


@dataclass(frozen=True)
class TrainingImage:
    """`image` float32 (c, y, x) normalised; `labels` int32 (y, x); `planes` float32 (k, y, x) of the method."""

    id: str
    image: NDArray[np.float32]
    labels: NDArray[np.int32]
    planes: NDArray[np.float32]


Planes = Callable[[NDArray[np.int32]], NDArray[np.float32]]


def normalise(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(c, y, x) scaled by the percentiles of each channel, as the spec's `scale_range` with eps 1e-6."""
    low, high = np.percentile(image, PERCENTILES, axis=(1, 2), keepdims=True)
    return ((image - low) / (high - low + 1e-6)).astype(np.float32)


def split_samples(dataset: Dataset, *, strata: str) -> tuple[list[str], list[str]]:
    """Ids to train and to validate on: the data set's splits, else 15 % of its groups by their names' hash.

    Raises
    ------
    DataError : nothing left to train or to validate on.
    """
    table = dataset.table.loc[[fnmatch.fnmatchcase(stratum, strata) for stratum in dataset.table["stratum"]]]
    if table.empty:
        raise DataError(f"data set '{dataset.card.id}': no stratum matches '{strata}'")
    parts = list(zip(map(str, table.index), table["split"], table["group"], strict=True))
    own = "train" in set(table["split"])
    train = [(id, group) for id, split, group in parts if split == "train" or not own]
    validation = [id for id, split, _ in parts if split == "validation"] if own else []
    if validation:
        return [id for id, _ in train], validation
    groups = sorted(
        {group for _, group in train}, key=lambda group: hashlib.sha256(f"validation:{group}".encode()).hexdigest()
    )
    if len(groups) < 2:
        raise DataError(
            f"data set '{dataset.card.id}': {len(groups)} group of images to train on; at least two are needed, "
            "one of which validates"
        )
    held = set(groups[: max(1, round(VALIDATION_SHARE * len(groups)))])
    return [id for id, group in train if group not in held], [id for id, group in train if group in held]


def load_images(
    dataset: Dataset, ids: Sequence[str], *, channels: int, planes: Planes, label: str, progress: bool
) -> list[TrainingImage]:
    """Decode, check and normalise images.

    Raises
    ------
    DataError : masks without any object in all of them, or an image without contrast in all of them.
    """
    found = [
        _prepared(dataset[id], channels=channels, planes=planes)
        for id in track(ids, f"loading {label} images", len(ids), show=progress)
    ]
    if not any(item.labels.any() for item in found):
        raise DataError(
            f"data set '{dataset.card.id}': none of its {len(found)} {label} images has an object in its mask"
        )
    return found


def notes(dataset: Dataset, train: Sequence[TrainingImage], *, channels: int, field_px: int) -> list[str]:
    """What to know before a training: no test part, colour, empty masks, objects beyond the receptive field."""
    said: list[str] = []
    if "train" not in dataset.splits:
        said.append(
            "it has no split 'train', so all its images train or validate and none is left for an honest test; "
            "`zooscope split` divides a folder of your own"
        )
    colour = sum(dataset[item.id].axes == "yxc" for item in train) if channels == 1 else 0
    if colour:
        said.append(f"{colour} of {len(train)} images are colour and train as luminance; network.channels=3 keeps it")
    empty = sum(not item.labels.any() for item in train)
    if empty:
        said.append(f"{empty} of {len(train)} masks hold no object and train as background")
    sizes = np.concatenate([object_sizes(item.labels) for item in train])
    large = float((sizes > field_px).mean())
    if large > 0.01:
        said.append(
            f"{large:.0%} of the objects are larger than the network's receptive field of {field_px} px "
            f"(the largest is {sizes.max()} px): take a deeper network, a larger grid, or smaller images"
        )
    return said


def object_sizes(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """The longer edge of each object's bounding box, in pixels."""
    boxes = [box for box in ndimage.find_objects(labels) if box is not None]
    return np.array([max(s.stop - s.start for s in box) for box in boxes], dtype=np.int64)


def _prepared(sample: Sample, *, channels: int, planes: Planes) -> TrainingImage:
    image = normalise(to_channels(sample.image, channels).astype(np.float32))
    return TrainingImage(sample.id, image, sample.target, planes(sample.target))
