"""FMD, all: tars of `<kind>/raw/<field>/*.png`, averages in `avg2` to `avg16`, truth in `gt/<field>/avg50.png`."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from zooscope.data.card import Card
from zooscope.data.members import Members, decode_member
from zooscope.data.tar import open_tar
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image

LEVELS = {"raw": "avg01", "avg2": "avg02", "avg4": "avg04", "avg8": "avg08", "avg16": "avg16"}
"""Folder -> the number of frames averaged, as strata name it."""

SPLITS = {19: "test", 20: "validation"}
"""Field -> split; all others train. FMD's authors train on field 20 too."""


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Every noisy image, at every average; group and truth are those of the field, the stratum is level and kind."""
    for path in files.values():
        with open_tar(path) as archive:
            frames, truths = _by_field(archive)
            for (kind, field), members in sorted(frames.items()):
                if (kind, field) not in truths:
                    raise DataError(f"{path}: {kind}/gt/{field}/avg50.png is missing")
                truth = decode_member(archive, truths[kind, field], suffix=".png")
                group = f"{kind}-{field:02}"
                for level, name in members:
                    id = f"{group}-{level}-{PurePosixPath(name).stem}"
                    image = as_image(decode_member(archive, name, suffix=".png"), axes="yx", source=f"{path}: {name}")
                    yield Sample(id, image, truth, group, f"{level}-{kind}"), SPLITS.get(field, "train")


_Field = tuple[str, int]


def _by_field(archive: Members) -> tuple[dict[_Field, list[tuple[str, str]]], dict[_Field, str]]:
    """(kind, field) -> (level, member) of each noisy image, and the member that is the truth."""
    frames: dict[_Field, list[tuple[str, str]]] = defaultdict(list)
    truths: dict[_Field, str] = {}
    for name in sorted(archive.namelist()):
        parts = PurePosixPath(name).parts
        image = name.lower().endswith(".png") and not parts[-1].startswith(".")
        if len(parts) < 4 or not image or not parts[-2].isdecimal():
            continue
        field = parts[-4], int(parts[-2])
        if parts[-3] in LEVELS:
            frames[field].append((LEVELS[parts[-3]], name))
        elif parts[-3] == "gt":
            truths[field] = name
    if not frames:
        raise DataError(f"{archive.filename}: holds no <kind>/raw/<field>/*.png")
    return frames, truths
