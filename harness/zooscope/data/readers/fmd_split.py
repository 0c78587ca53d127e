"""FMD's mixed test set, each field cut into columns to train, validate and test on."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from zooscope.data.card import Card
from zooscope.data.readers.fmd import frames
from zooscope.sample import Sample, as_image

COLUMNS = {"train": (0, 224), "validation": (224, 256), "test": (288, 512)}
"""First column of each part, and the one after its last; 256 to 287 are left out: no test pixel borders on others."""


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Three parts of every frame; the group is the field, the stratum the microscope."""
    for id, field, noisy, truth in frames(files):
        for split, (first, end) in COLUMNS.items():
            image = as_image(noisy[:, first:end], axes="yx", source=id)
            yield Sample(f"{id}-{split}", image, truth[:, first:end], field, field.partition("_")[0]), split
