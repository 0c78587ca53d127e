"""Truth: how the targets of each task lie in a folder, are checked, and are written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import DataError
from zooscope.imagefile import smallest_labels
from zooscope.sample import Task, as_labels, as_restored


@dataclass(frozen=True)
class Truth:
    """Targets of one task, and predictions of them, as files.

    Attributes
    ----------
    folder : where a data set's folder holds the targets, one a file, named as its image.
    word : what one of them is called.
    check : (array, shape=, source=) -> the array as a target or a prediction; DataError where it is none.
    stored : what of it a file holds; `check` gives the same array from that.
    archive : the file in which a row keeps its predictions.
    lossy : whether a JPEG may stand for one.
    """

    folder: str
    word: str
    check: Callable[..., NDArray[Any]]
    stored: Callable[[NDArray[Any]], NDArray[Any]]
    archive: str
    lossy: bool


TRUTHS: Mapping[Task, Truth] = {
    Task.INSTANCE_SEGMENTATION: Truth("masks", "label image", as_labels, smallest_labels, "labels.zip", lossy=False),
    Task.RESTORATION: Truth("clean", "restored image", as_restored, np.asarray, "restored.zip", lossy=True),
}


def truth_folder(folder: Path) -> Path:
    """Where the targets lie: the images themselves where there are none."""
    found = folder / TRUTHS[task_of(folder)].folder
    return found if found.is_dir() else folder / "images"


def task_of(folder: Path) -> Task:
    """The task of a folder of samples, by the targets beside its images.

    Images without any are there to be restored, by what learns from them alone.

    Raises
    ------
    DataError : targets of several tasks.
    """
    found = [task for task, truth in TRUTHS.items() if (folder / truth.folder).is_dir()]
    if len(found) > 1:
        both = " and ".join(f"{TRUTHS[task].folder}/" for task in found)
        raise DataError(f"{folder}: has {both}; keep the one that is the truth")
    return found[0] if found else Task.RESTORATION
