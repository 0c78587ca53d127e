"""FMD, mixed: `raw/<microscope>_<sample>_<frame>.png`, and averages of 50 frames by the same names in `gt/`."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.members import decode_member
from zooscope.data.readers.bsd68 import images_by_folder
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image


def frames(files: Mapping[str, Path]) -> Iterator[tuple[str, str, NDArray[np.generic], NDArray[np.generic]]]:
    """(name, field, noisy, truth) of every frame; frames of one field share a truth."""
    for path in files.values():
        with open_zip(path) as archive:
            members = images_by_folder(archive, {"raw": None, "gt": None})
            truths = {PurePosixPath(name).stem: name for name in members["gt"]}
            lacking = [name for name in members["raw"] if PurePosixPath(name).stem not in truths]
            if lacking or not truths:
                raise DataError(f"{path}: {lacking[0] if lacking else 'raw/*.png'} has no truth in gt/")
            for name in members["raw"]:
                id = PurePosixPath(name).stem
                noisy, truth = (decode_member(archive, member, suffix=".png") for member in (name, truths[id]))
                yield id, id.rpartition("_")[0], noisy, truth


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Every frame whole; the group is the field, the stratum the microscope."""
    for id, field, noisy, truth in frames(files):
        yield Sample(id, as_image(noisy, axes="yx", source=id), truth, field, field.partition("_")[0]), "test"
