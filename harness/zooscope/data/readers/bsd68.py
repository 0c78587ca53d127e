"""Natural images of DnCNN's repository: Train400 trains, Set12 validates, BSD68 tests. The card's noise comes later."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.members import decode_member
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image

SPLITS = {"Train400": "train", "Set12": "validation", "BSD68": "test"}


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Every image, 8 bit gray, as its own truth; each is a group of its own."""
    for path in files.values():
        with open_zip(path) as archive:
            members = images_by_folder(archive, SPLITS)
            for folder, split in SPLITS.items():
                if not members[folder]:
                    raise DataError(f"{path}: holds no {folder}/*.png")
                for name in members[folder]:
                    clean = decode_member(archive, name, suffix=".png")
                    id = f"{folder.lower()}-{PurePosixPath(name).stem}"
                    yield Sample(id, as_image(clean, axes="yx", source=name), clean, group=id, stratum=folder), split


def images_by_folder(archive: zipfile.ZipFile, folders: Mapping[str, object]) -> dict[str, list[str]]:
    """The PNG members of folders of these names, sorted."""
    found: dict[str, list[str]] = {folder: [] for folder in folders}
    for name in sorted(archive.namelist()):
        parts = PurePosixPath(name).parts
        if len(parts) > 1 and parts[-2] in found and name.lower().endswith(".png") and not parts[-1].startswith("."):
            found[parts[-2]].append(name)
    return found
