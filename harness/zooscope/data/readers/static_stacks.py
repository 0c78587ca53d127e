"""Stacks of one static field, whose truth is their mean, and beside most a stack to calibrate the noise with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.members import Members, decode_member, member_named
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image

Region = tuple[slice, slice]


@dataclass(frozen=True)
class Stacks:
    """File names, and the part of the field (y, x) that each split has; 32 pixels lie between any two of them."""

    frames: str
    calibration: str | None
    regions: Mapping[str, Region]


QUARTERS = {
    "test": (slice(0, 512), slice(0, 512)),
    "train": (slice(544, 1024), slice(0, 1024)),
    "validation": (slice(0, 512), slice(544, 1024)),
}
"""Of a field of 1024 x 1024."""

STACKS: Mapping[str, Stacks] = {
    "convallaria": Stacks(
        "20190520_tl_25um_50msec_05pc_488_130EM_Conv.tif", "20190726_tl_50um_500msec_wf_130EM_FD.tif", QUARTERS
    ),
    "struct-convallaria": Stacks("flower.tif", None, QUARTERS),
    "mouse-actin": Stacks(
        "sample_attempt2.tif",
        "diaphragm.tif",
        {
            "test": (slice(0, 1024), slice(0, 512)),
            "train": (slice(0, 768), slice(544, 1024)),
            "validation": (slice(800, 1024), slice(544, 1024)),
        },
    ),
    "mouse-nuclei": Stacks(
        "example2_digital_offset300.tif",
        "edgeoftheslide_300offset.tif",
        {
            "test": (slice(0, 512), slice(0, 256)),
            "train": (slice(0, 352), slice(288, 512)),
            "validation": (slice(384, 512), slice(288, 512)),
        },
    ),
}
"""By card. The test regions are those of PPN2V's notebooks, and of HDN's for structured noise."""


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Every frame of every region, and the calibration's frames, where there are some, whole: one group each."""
    if card.id not in STACKS:
        raise DataError(f"card '{card.id}': this reader knows {', '.join(STACKS)}")
    stacks = STACKS[card.id]
    for path in files.values():
        with open_zip(path) as archive:
            frames = _stack(archive, stacks.frames)
            for split, region in stacks.regions.items():
                if any(part.stop > size for part, size in zip(region, frames.shape[1:], strict=True)):
                    raise DataError(f"{path}: {stacks.frames} is {frames.shape}, too small for the region of {split}")
                yield from _samples(frames[:, *region], group="field", split=split)
            if stacks.calibration:
                yield from _samples(_stack(archive, stacks.calibration), group="calibration", split="calibration")


def _samples(frames: NDArray[np.generic], *, group: str, split: str) -> Iterator[tuple[Sample, str]]:
    truth = frames.mean(axis=0, dtype=np.float64).astype(np.float32)
    for number, frame in enumerate(frames):
        id = f"{split}-{number:03}"
        yield Sample(id, as_image(frame, axes="yx", source=id), truth, group, split), split


def _stack(archive: Members, file: str) -> NDArray[np.generic]:
    """(frame, y, x)."""
    array = decode_member(archive, member_named(archive, file), suffix=".tif")
    if array.ndim != 3 or len(array) < 2:
        raise DataError(f"{archive.filename}: {file} is {array.shape}; a stack of frames is expected")
    return array
