"""Cellpose's own images: `train/` and `test/`, each with `<number>_img.png` and `<number>_masks.png`."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.members import decode_member, members_in
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image, as_labels

NAME = re.compile(r"(\d+)_(img|masks)")
VALIDATION = 8
"""Every eighth image of train, from the first on, validates; the source has no such part."""


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Both archives; colours as stored. Each image is its own group, since the source tells no fields."""
    for part in ("train", "test"):
        with open_zip(files[f"{part}.zip"]) as archive:
            found: dict[str, dict[str, str]] = {"img": {}, "masks": {}}
            for name in members_in(archive, part, suffixes=(".png",)):
                if told := NAME.fullmatch(PurePosixPath(name).stem):
                    found[told[2]][told[1]] = name
            lacking = sorted(found["img"].keys() ^ found["masks"].keys())
            if lacking or not found["img"]:
                what = f"'{lacking[0]}' has not both" if lacking else "has no"
                raise DataError(f"{archive.filename}: {what} {part}/<number>_img.png and _masks.png; fetch it again")
            for place, (number, name) in enumerate(sorted(found["img"].items())):
                source = f"{archive.filename}: {name}"
                array = decode_member(archive, name, suffix=".png")
                image = as_image(array, axes="yx" if array.ndim == 2 else "yxc", source=source)
                masks = decode_member(archive, found["masks"][number], suffix=".png")
                shape = (image.sizes["y"], image.sizes["x"])
                target = as_labels(masks, shape=shape, source=f"{archive.filename}: {found['masks'][number]}")
                split = "validation" if part == "train" and place % VALIDATION == 0 else part
                yield Sample(f"{part}-{number}", image, target, group=f"{part}-{number}"), split
