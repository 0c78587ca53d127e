"""W2S: `data/{train,test}/avg<n>/<field>_<channel>.png`, the mean of 400 frames by the same names in `avg400`."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.members import decode_member, members_in
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image

LEVELS = {"avg1": "avg01", "avg2": "avg02", "avg4": "avg04", "avg8": "avg08", "avg16": "avg16"}
"""Folder -> the number of frames averaged, as strata name it."""

VALIDATION = range(71, 81)
"""Fields of the source's train that validate here."""


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Every channel of every field at every average; the group is the field, the stratum the average."""
    for path in files.values():
        with open_zip(path) as archive:
            for part in ("train", "test"):
                found = members_in(archive, f"data/{part}/avg400", suffixes=(".png",))
                truths = {PurePosixPath(name).name: name for name in found}
                if not truths:
                    raise DataError(f"{path}: holds no data/{part}/avg400/*.png")
                for folder, level in LEVELS.items():
                    for name in members_in(archive, f"data/{part}/{folder}", suffixes=(".png",)):
                        file = PurePosixPath(name)
                        if file.name not in truths:
                            raise DataError(f"{path}: {name} has no truth in avg400")
                        noisy, truth = (decode_member(archive, one, suffix=".png") for one in (name, truths[file.name]))
                        field = file.stem.partition("_")[0]
                        split = "validation" if part == "train" and int(field) in VALIDATION else part
                        image = as_image(noisy, axes="yx", source=f"{path}: {name}")
                        yield Sample(f"{file.stem}-{level}", image, truth, field, level), split
