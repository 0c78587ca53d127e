"""The images that a training sees: normalised, with labels; and what is wrong with those it cannot learn from."""

import fnmatch
import hashlib
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import psutil
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import relabel_sequential

from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.errors import DataError
from zooscope.progress import track
from zooscope.sample import Sample
from zooscope.sizing import diameters_px, scale_between
from zooscope_zoo.method import UNLABELLED

PERCENTILES = (1.0, 99.8)
"""Images are scaled so that these become 0 and 1; packages do the same with `scale_range`."""

SPARE_BYTES = 2**29
"""Of memory, below which loading ends before the system ends it."""

VALIDATION_SHARE = 0.15
"""Of the groups, where a data set has no validation split."""


@dataclass(frozen=True)
class TrainingImage:
    """`image` float32 (c, y, x) normalised; `labels` int32 (y, x); `planes` float32 (k, y, x) of the method.

    `colour` tells whether it was RGB; where it is not `labelled`, all its labels are UNLABELLED. It is drawn `weight`
    times as often as one of weight 1.
    """

    id: str
    image: NDArray[np.float32]
    labels: NDArray[np.int32]
    planes: NDArray[np.float32]
    colour: bool = False
    labelled: bool = True
    weight: float = 1.0

    @cached_property
    def objects(self) -> list[tuple[int, tuple[slice, slice]]]:
        """Label and bounding box of each object."""
        return [(label, box) for label, box in enumerate(ndimage.find_objects(self.labels), start=1) if box is not None]

    @cached_property
    def diameter_px(self) -> float | None:
        """Median diameter of the objects, if there are any."""
        found = diameters_px(self.labels)
        return float(np.median(found)) if len(found) else None

    def scale_to(self, diameter_px: float | None) -> float:
        """By how much the image is enlarged so that its objects have that diameter; 1 without objects, or for None."""
        if diameter_px is None or self.diameter_px is None:
            return 1.0
        return scale_between(self.diameter_px, diameter_px)


Planes = Callable[[NDArray[np.int32]], NDArray[np.float32]]


def normalise(image: NDArray[np.float32], percentiles: tuple[float, float] = PERCENTILES) -> NDArray[np.float32]:
    """(c, y, x) scaled by the percentiles of each channel, as the spec's `scale_range` with eps 1e-6."""
    low, high = np.percentile(image, percentiles, axis=(1, 2), keepdims=True)
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
    own = "train" in dataset.splits
    if own and "train" not in set(table["split"]):
        raise DataError(f"data set '{dataset.card.id}': its train split has no image of a stratum '{strata}'")
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


def draw_labelled(ids: Sequence[str], count: int, *, seed: int) -> list[str]:
    """So many of the ids, sorted, by the hash of seed and id: the first ten are among the first twenty."""
    drawn = sorted(ids, key=lambda id: hashlib.sha256(f"labelled:{seed}:{id}".encode()).hexdigest())
    return sorted(drawn[:count])


def load_images(
    dataset: Dataset,
    ids: Sequence[str],
    *,
    channels: int,
    planes: Planes,
    label: str,
    progress: bool,
    labelled: Container[str] | None = None,
    weights: Mapping[str, float] | None = None,
    classes: Sequence[str] = (),
) -> list[TrainingImage]:
    """Decode, check and normalise images.

    Parameters
    ----------
    labelled : ids of those whose labels are taken; None takes all.
    weights : of the images, by pattern of their strata; 1 where none fits.
    classes : of objects, whose numbers become the last plane (`LearnsClasses`).

    Raises
    ------
    DataError : no object in any mask, no contrast in any image, values that cannot be scaled, memory running out.
    """
    found: list[TrainingImage] = []
    for id in track(ids, f"loading {label} images", len(ids), show=progress):
        sample = dataset[id]
        if labelled is not None and id not in labelled:
            sample = replace(sample, target=np.full_like(sample.target, UNLABELLED))
        fitting = (
            weight for pattern, weight in (weights or {}).items() if fnmatch.fnmatchcase(sample.stratum, pattern)
        )
        found.append(
            replace(_prepared(sample, channels=channels, planes=planes, classes=classes), weight=next(fitting, 1.0))
        )
        if psutil.virtual_memory().available < SPARE_BYTES:
            raise DataError(
                f"data set '{dataset.card.id}': {len(found)} of its {len(ids)} {label} images fill this machine's "
                "memory; crop or shrink them, or train on a part (training.strata)"
            )
    if not any(item.labels.any() for item in found if item.labelled):
        raise DataError(
            f"data set '{dataset.card.id}': none of its {len(found)} {label} images has an object in its mask"
        )
    if not any(item.image.any() for item in found):
        raise DataError(f"data set '{dataset.card.id}': all of its {len(found)} {label} images are of one value each")
    return found


def notes(
    dataset: Dataset,
    train: Sequence[TrainingImage],
    *,
    channels: int,
    field_px: int,
    patch_px: int,
    diameter_px: float | None = None,
) -> list[str]:
    """What to know before a training: no test part, colour, empty masks and images, sizes that do not fit.

    Parameters
    ----------
    diameter_px : median diameter of objects that every image is brought to, if any.
    """
    said: list[str] = []
    if "train" not in dataset.splits:
        said.append(
            "it has no split 'train', so all its images train or validate and none is left for an honest test; "
            "`zooscope split` divides a folder of your own"
        )
    colour = sum(item.colour for item in train) if channels == 1 else 0
    if colour:
        said.append(f"{colour} of {len(train)} images are colour and train as luminance; network.channels=3 keeps it")
    empty = sum(not item.labels.any() for item in train)
    if empty:
        said.append(f"{empty} of {len(train)} masks hold no object and train as background")
    blank = sum(not item.image.any() for item in train)
    if blank:
        said.append(f"{blank} of {len(train)} images are of one value and teach nothing")
    scales = [item.scale_to(diameter_px) for item in train]
    small = sum(min(item.labels.shape) * scale < patch_px for item, scale in zip(train, scales, strict=True))
    if small:
        said.append(
            f"{small} of {len(train)} images are smaller than the patches of {patch_px} px and are continued by their "
            "mirror image; a smaller training.patch_px fits them"
        )
    sizes = np.concatenate([object_sizes(item.labels) * scale for item, scale in zip(train, scales, strict=True)])
    large = float((sizes > field_px).mean())
    if large > 0.01:
        said.append(
            f"{large:.0%} of the objects are larger than the network's receptive field of {field_px} px "
            f"(the largest is {sizes.max():.0f} px): take a deeper network, a larger grid, or smaller images"
        )
    return said


def object_sizes(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """The longer edge of each object's bounding box, in pixels."""
    boxes = [box for box in ndimage.find_objects(_few(labels)) if box is not None]
    return np.array([max(s.stop - s.start for s in box) for box in boxes], dtype=np.int64)


def _prepared(sample: Sample, *, channels: int, planes: Planes, classes: Sequence[str]) -> TrainingImage:
    with np.errstate(over="ignore", invalid="ignore"):  # said below, by the image's name
        raw = to_channels(sample.image, channels).astype(np.float32)
        image = normalise(raw)
    if not np.isfinite(image).all():
        raise DataError(f"image '{sample.id}': values up to {np.abs(sample.image.values).max():.3g} cannot be scaled")
    for plane, scaled in zip(raw, image, strict=True):
        low, high = np.percentile(plane, PERCENTILES)
        if low == high and scaled.any():
            raise DataError(
                f"image '{sample.id}': almost all of it is {low:g} (its percentiles {PERCENTILES[0]:g} and "
                f"{PERCENTILES[1]:g}, which scale it, are the same); crop it to where something is, or leave it out"
            )
    labels = _few(sample.target)
    labelled = labels.min(initial=0) != UNLABELLED
    found = planes(labels)
    if classes:
        found = np.concatenate([found, class_plane(sample, classes)[None]])
    return TrainingImage(sample.id, image, labels, found, colour=sample.axes == "yxc", labelled=labelled)


def class_plane(sample: Sample, classes: Sequence[str]) -> NDArray[np.float32]:
    """(y, x): 0 in the background, in objects the number of their class from 1 on, UNLABELLED where none is told."""
    numbers = {name: number for number, name in enumerate(classes, start=1)}
    labels, index = np.unique(sample.target, return_inverse=True)
    told = sample.classes or {}
    of_label = [0 if label == 0 else numbers.get(told.get(int(label), ""), UNLABELLED) for label in labels]
    return np.array(of_label, np.float32)[index].reshape(sample.target.shape)


def _few(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Labels numbered anew where their numbers are so large that a table of all up to the largest would be."""
    return labels if labels.max(initial=0) <= labels.size else relabel_sequential(labels)[0].astype(np.int32)
