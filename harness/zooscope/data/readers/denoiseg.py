"""DenoiSeg's DSB 2018: `train/train_data.npz` with X and Y of train and val, `test/test_data.npz` with test's."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.members import member_named
from zooscope.data.npz import read_npz
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image, as_labels

PARTS = {
    "train": ("train_data.npz", "train"),
    "val": ("train_data.npz", "validation"),
    "test": ("test_data.npz", "test"),
}
"""Name of a part -> its file, and its split."""


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """In the order of the arrays. Nobody tells which patches are of one image: those of a part are one group."""
    for path in files.values():
        with open_zip(path) as archive:
            for part, (file, split) in PARTS.items():
                member = member_named(archive, file)
                images, masks = read_npz(archive, member, f"X_{part}", f"Y_{part}")
                if len(images) != len(masks):
                    what = f"{len(images)} images X_{part} and {len(masks)} masks Y_{part}"
                    raise DataError(f"{path}: {member} has {what}; delete the file and fetch again")
                for number, (pixels, labels) in enumerate(zip(images, masks, strict=True)):
                    id = f"{part}-{number:04}"
                    source = f"{path}: {member}: {id}"
                    image = as_image(pixels, axes="yx", source=source)
                    target = as_labels(labels, shape=image.shape, source=source)
                    yield Sample(id, image, target, group=id if part == "test" else part), split
