"""LIVECell: `livecell_{train_val,test}_images/.../<Type>_Phase_<Well>_<Location>_<Time>_<Crop>.tif`, and COCO JSONs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.coco import CocoImage, read_coco
from zooscope.data.members import Members, decode_member
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image

IMAGES = "images.zip"
ROLES = {"test": "test", "val": "validation", "train": "train"}
"""What a JSON's name says -> split, in the order in which they are read: a name in several files is in the first."""

NAME = re.compile(r"(?P<type>[^_]+)_Phase_(?P<well>[^_]+)_[^_]+_[^_]+_[^_]+")


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Every image once, with masks that may overlap; the stratum is the type of cell, the group its well."""
    with open_zip(files[IMAGES]) as archive:
        members = _members(archive)
        seen = set[str]()
        for role, split in ROLES.items():
            for image in _listed(files, role):
                if image.file_name not in seen:
                    seen.add(image.file_name)
                    yield _sample(archive, members, image, test=role == "test"), split


def read_labels(card: Card, files: Mapping[str, Path], *, least_px: int) -> Iterator[tuple[Sample, str]]:
    """The same images with label images alone; objects of which fewer pixels are left to see are taken out."""
    for sample, split in read(card, files):
        assert sample.objects is not None
        yield replace(sample, target=sample.objects.labels(least_px=least_px), objects=None), split


def _listed(files: Mapping[str, Path], role: str) -> Iterator[CocoImage]:
    found = [path for name, path in files.items() if name.endswith(".json") and role in name]
    if len(found) != 1:
        raise DataError(f"sources {', '.join(files)}: {len(found)} JSONs with '{role}' in their names; one is expected")
    return read_coco(found[0])


def _members(archive: Members) -> dict[tuple[bool, str], str]:
    """(whether of the test set, file name) -> member."""
    paths = [PurePosixPath(name) for name in archive.namelist() if "__MACOSX" not in name]
    return {("livecell_test_images" in path.parts, path.name): str(path) for path in paths}


def _sample(archive: Members, members: Mapping[tuple[bool, str], str], image: CocoImage, *, test: bool) -> Sample:
    if (test, image.file_name) not in members:
        folder = "livecell_test_images" if test else "livecell_train_val_images"
        raise DataError(
            f"{archive.filename}: has no {image.file_name} in {folder}/, which {image.source} lists; "
            "delete both files and fetch again"
        )
    told = NAME.fullmatch(PurePosixPath(image.file_name).stem)
    if told is None:
        raise DataError(f"{image.source}: '{image.file_name}' is not <Type>_Phase_<Well>_<Location>_<Time>_<Crop>.tif")
    member = members[test, image.file_name]
    pixels = as_image(decode_member(archive, member, suffix=".tif"), axes="yx", source=f"{archive.filename}: {member}")
    if pixels.shape != image.shape:
        raise DataError(f"{archive.filename}: {member} is {pixels.shape}, but {image.source} says {image.shape}")
    masks = image.masks()
    group = f"{told['type']}-{told['well']}"
    return Sample(told.string, pixels, masks.labels(), group, told["type"], objects=masks)
