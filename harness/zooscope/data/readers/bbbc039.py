"""BBBC039: `images/*.tif`, `masks/*.png` of the same names, and lists of names in `metadata/*.txt`."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

import numpy as np
from skimage import measure

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.members import Members, decode_member, member_named, members_in
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image, as_labels

LISTS = {"train": "training.txt", "validation": "validation.txt", "test": "test.txt"}


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """The images that the lists name; the group is plate and well, of which some were imaged twice.

    Nuclei that touch have other values in the red channel, but apart values come again: an object is a connected part
    of one value.
    """
    names = ("metadata.zip", "images.zip", "masks.zip")
    with ExitStack() as stack:
        lists, images, masks = (stack.enter_context(open_zip(files[name])) for name in names)
        pictures, annotations = _by_stem(images, "images", ".tif"), _by_stem(masks, "masks", ".png")
        for split, file in LISTS.items():
            for id in _ids(lists, file):
                for archive, found in ((images, pictures), (masks, annotations)):
                    if id not in found:
                        what = f"{archive.filename}: lacks '{id}', which {file} of {lists.filename} names"
                        raise DataError(f"{what}; delete both files and fetch again")
                source = f"{images.filename}: {pictures[id]}"
                image = as_image(decode_member(images, pictures[id], suffix=".tif"), axes="yx", source=source)
                mask = decode_member(masks, annotations[id], suffix=".png")
                red = mask if mask.ndim == 2 else mask[..., 0]
                numbered = np.asarray(measure.label(red, background=0))
                target = as_labels(numbered, shape=image.shape, source=f"{masks.filename}: {annotations[id]}")
                yield Sample(id, image, target, group="_".join(id.split("_")[:2])), split


def _ids(lists: Members, file: str) -> list[str]:
    """Names without suffix, one a line."""
    text = lists.read(member_named(lists, file)).decode("utf-8", "replace")
    return [PurePosixPath(line.strip()).stem for line in text.splitlines() if line.strip()]


def _by_stem(archive: Members, folder: str, suffix: str) -> dict[str, str]:
    return {PurePosixPath(name).stem: name for name in members_in(archive, folder, suffixes=(suffix,))}
