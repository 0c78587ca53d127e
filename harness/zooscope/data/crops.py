"""Crops: a few fixed parts of a data set's images, for methods that take long over an image."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from zooscope.errors import DataError
from zooscope.sample import Sample


class Crops(BaseModel):
    """The central square of so many images of one split, spread evenly over its images in the order of their ids."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    split: str
    images: int = Field(gt=0)
    edge_px: int = Field(gt=0)


def cropped(pairs: Iterable[tuple[Sample, str]], crops: Crops) -> Iterator[tuple[Sample, str]]:
    """Crops of restoration samples (image and target alike), which keep ids and groups.

    Raises
    ------
    DataError : fewer images in the split than are wanted, or a smaller one.
    """
    found = sorted((sample for sample, split in pairs if split == crops.split), key=lambda sample: sample.id)
    if len(found) < crops.images:
        raise DataError(f"{crops.images} crops of split '{crops.split}' are wanted, which has {len(found)} images")
    for sample in (found[k * len(found) // crops.images] for k in range(crops.images)):
        size = sample.target.shape
        if min(size) < crops.edge_px:
            raise DataError(f"'{sample.id}' of {size[0]} x {size[1]} px has no crop of {crops.edge_px} px")
        y, x = ((n - crops.edge_px) // 2 for n in size)
        part = np.s_[y : y + crops.edge_px, x : x + crops.edge_px]
        yield replace(sample, image=sample.image[part], target=np.ascontiguousarray(sample.target[part])), crops.split
