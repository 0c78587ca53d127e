"""DSB 2018 as folders of masks: `<id>/images/<id>.png` and `<id>/masks/*.png`, one file an object."""

import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.labels import labels_from_masks
from zooscope.data.members import decode_member
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Every image of the archive; the card's table says group, stratum and split."""
    for path in files.values():
        for sample in samples_with_masks(path):
            yield sample, ""


def samples_with_masks(path: Path) -> Iterator[Sample]:
    """Samples of a zip of `.../<id>/images/*.png` and `.../<id>/masks/*.png`, in the order of their ids."""
    with open_zip(path) as archive:
        images, masks = _members(archive)
        if not images:
            raise DataError(f"{path}: holds no <id>/images/*.png")
        for id, member in sorted(images.items()):
            image = as_image(decode(archive, member), axes="yxc", source=f"{path}: {member}")
            shape = (image.sizes["y"], image.sizes["x"])
            if not masks[id]:
                raise DataError(f"{path}: image '{id}' has no masks")
            objects = (_mask(archive, name) for name in sorted(masks[id]))
            target = labels_from_masks(objects, shape=shape, source=f"{path}: {id}")
            yield Sample(id, image, target, group=id, stratum=stratum(image.values, target))


def images_only(archive: zipfile.ZipFile) -> dict[str, str]:
    """Id -> member of every `<id>/images/*.png`."""
    return _members(archive)[0]


def decode(archive: zipfile.ZipFile, member: str) -> NDArray[np.generic]:
    """The array in a PNG member; gray ones get a channel axis."""
    array = decode_member(archive, member, suffix=".png")
    return array if array.ndim == 3 else array[..., None]


def stratum(image: NDArray[np.generic], labels: NDArray[np.int32]) -> str:
    """Kind and size, as in "fluorescence-256x256".

    Colour is histology; gray is fluorescence where objects are brighter than the rest, else brightfield.
    """
    height, width = labels.shape
    inside = labels > 0
    if image.ndim == 3:
        kind = "histology"
    elif inside.any() and not inside.all() and image[inside].mean() > image[~inside].mean():
        kind = "fluorescence"
    else:
        kind = "brightfield"
    return f"{kind}-{height}x{width}"


def _members(archive: zipfile.ZipFile) -> tuple[dict[str, str], dict[str, list[str]]]:
    images: dict[str, str] = {}
    masks: dict[str, list[str]] = defaultdict(list)
    for name in archive.namelist():
        parts = PurePosixPath(name).parts
        if len(parts) < 3 or not name.lower().endswith(".png") or parts[-1].startswith("."):  # macOS adds ._<name>
            continue
        if parts[-2] == "images":
            images[parts[-3]] = name
        elif parts[-2] == "masks":
            masks[parts[-3]].append(name)
    return images, masks


def _mask(archive: zipfile.ZipFile, member: str) -> NDArray[np.bool_]:
    return np.greater(decode(archive, member)[..., 0], 127)
