"""BSD68 with the noise that Noise2Void's authors stored: `train/`, `val/`, `test/images/` and `test/gt/`, all TIFF."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.members import Members, decode_member, members_in
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image

TIFF = (".tif", ".tiff")


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Noisy stacks to learn from, whose target is the noisy image itself, and pairs in the order of their names."""
    for path in files.values():
        with open_zip(path) as archive:
            for folder, split in (("train", "train"), ("val", "validation")):
                for number, noisy in enumerate(planes(archive, members_in(archive, folder, suffixes=TIFF))):
                    id = f"{folder}-{number:04}"
                    yield Sample(id, as_image(noisy, axes="yx", source=id), noisy, folder, folder), split
            images, truths = (members_in(archive, f"test/{part}", suffixes=TIFF) for part in ("images", "gt"))
            if not images or len(images) != len(truths):
                counts = f"{len(images)} images and {len(truths)} truths"
                raise DataError(f"{path}: test/images and test/gt do not pair: {counts}")
            for number, pair in enumerate(zip(images, truths, strict=True)):
                noisy, truth = (decode_member(archive, name, suffix=".tiff") for name in pair)
                if noisy.shape != truth.shape:
                    raise DataError(f"{path}: {pair[0]} is {noisy.shape}, but {pair[1]} is {truth.shape}")
                id = f"test-{number:02}"
                yield Sample(id, as_image(noisy, axes="yx", source=pair[0]), truth, id, "test"), "test"


def planes(archive: Members, names: list[str]) -> Iterator[NDArray[np.generic]]:
    """The images (y, x) of TIFF members, one after another; a stack has several."""
    for name in names:
        array = decode_member(archive, name, suffix=".tiff")
        yield from array.reshape(-1, *array.shape[-2:])
