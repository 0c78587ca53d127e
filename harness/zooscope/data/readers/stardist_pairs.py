"""StarDist's subset: `train/` and `test/`, each with `images/` and `masks/` of TIFF pairs named by Kaggle id."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.members import decode_member
from zooscope.data.readers.dsb2018 import stratum
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image, as_labels


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Both folders; 15 % of train are validation, drawn as in StarDist's examples (`RandomState(42)`, sorted names)."""
    for path in files.values():
        with open_zip(path) as archive:
            pairs = {part: _pairs(archive.namelist(), part, path) for part in ("train", "test")}
            order = np.random.RandomState(42).permutation(len(pairs["train"]))
            validation = set(order[-max(1, round(0.15 * len(order))) :].tolist())
            for part, members in pairs.items():
                for number, (id, (image_member, mask_member)) in enumerate(sorted(members.items())):
                    source = f"{path}: {image_member}"
                    image = as_image(decode_member(archive, image_member, suffix=".tiff"), axes="yx", source=source)
                    mask = decode_member(archive, mask_member, suffix=".tiff")
                    shape = (image.sizes["y"], image.sizes["x"])
                    target = as_labels(mask, shape=shape, source=f"{path}: {mask_member}")
                    split = "validation" if part == "train" and number in validation else part
                    yield Sample(id, image, target, group=id, stratum=stratum(image.values, target)), split


def _pairs(names: list[str], part: str, path: Path) -> dict[str, tuple[str, str]]:
    found: dict[str, dict[str, str]] = {"images": {}, "masks": {}}
    for name in names:
        parts = PurePosixPath(name).parts
        tiff = name.lower().endswith((".tif", ".tiff")) and not parts[-1].startswith(".")
        if tiff and len(parts) >= 3 and parts[-3] == part and parts[-2] in found:
            found[parts[-2]][PurePosixPath(name).stem] = name
    if not found["images"] or set(found["images"]) != set(found["masks"]):
        raise DataError(f"{path}: {part}/images and {part}/masks do not hold TIFF pairs of the same names")
    return {id: (found["images"][id], found["masks"][id]) for id in found["images"]}
