"""Noise2Void's electron micrographs: `train.tif` and `validation.tif`, noisy both."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.members import member_named
from zooscope.data.readers.bsd68_n2v import planes
from zooscope.sample import Sample, as_image


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Each file a group; there is no truth, so the target is the noisy image itself."""
    for path in files.values():
        with open_zip(path) as archive:
            for split in ("train", "validation"):
                name = member_named(archive, f"{split}.tif")
                for number, noisy in enumerate(planes(archive, [name])):
                    image = as_image(noisy, axes="yx", source=f"{path}: {name}")
                    yield Sample(f"{split}-{number:03}", image, noisy, group=split), split
