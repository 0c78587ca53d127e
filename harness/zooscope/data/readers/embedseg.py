"""EmbedSeg's 2D data: `<name>/train/{images,masks}/*.tif`, and `val/`, `test/` alike where the archive has them."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.members import Members, decode_member, members_in
from zooscope.errors import DataError
from zooscope.masks import Masks
from zooscope.sample import Sample, as_image, as_labels

SEED = 1000
SHARES = {"test": 0.5, "val": 0.15}
"""What is drawn of train where the archive has no such part, in this order, as in EmbedSeg's notebooks."""

SPLITS = {"train": "train", "val": "validation", "test": "test"}
TIFF = (".tif", ".tiff")


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Pairs in the order of their names. Masks (objects, y, x) are one an object, which may overlap."""
    for path in files.values():
        with open_zip(path) as archive:
            parts = {part: _pairs(archive, part) for part in SPLITS}
            if not parts["train"]:
                raise DataError(f"{path}: holds no train/images/*.tif; delete the file and fetch again")
            for part, share in SHARES.items():
                if not parts[part]:
                    order = np.random.RandomState(SEED).permutation(len(parts["train"]))
                    drawn = set(order[: int(share * len(order))].tolist())
                    parts[part] = [pair for place, pair in enumerate(parts["train"]) if place in drawn]
                    parts["train"] = [pair for place, pair in enumerate(parts["train"]) if place not in drawn]
            for part, pairs in parts.items():
                for image, masks in pairs:
                    yield _sample(archive, image, masks), SPLITS[part]


def _pairs(archive: Members, part: str) -> list[tuple[str, str]]:
    """Images and masks pair by their order, as EmbedSeg pairs them: names may differ."""
    images, masks = (members_in(archive, f"{part}/{kind}", suffixes=TIFF) for kind in ("images", "masks"))
    if len(images) != len(masks):
        what = f"{archive.filename}: {part}/images has {len(images)} TIFFs, {part}/masks {len(masks)}"
        raise DataError(f"{what}; they pair by order; delete the file and fetch again")
    return list(zip(images, masks, strict=True))


def _sample(archive: Members, name: str, masks: str) -> Sample:
    path = PurePosixPath(name)
    id = f"{path.parts[-3]}-{path.stem}"
    image = as_image(decode_member(archive, name, suffix=".tif"), axes="yx", source=f"{archive.filename}: {name}")
    array, source = decode_member(archive, masks, suffix=".tif"), f"{archive.filename}: {masks}"
    if array.ndim != 3:
        return Sample(id, image, as_labels(array, shape=image.shape, source=source), group=id)
    if array.shape[1:] != image.shape:
        raise DataError(f"{source}: masks of shape {array.shape}; (objects, y, x) over an image of {image.shape}")
    objects = Masks.of_stack(array, shape=(image.shape[0], image.shape[1]))
    return Sample(id, image, objects.labels(), group=id, objects=objects)
