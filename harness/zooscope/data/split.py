"""Divide a folder of one's own into train, validation and test, whole groups at a time."""

import hashlib
import re
from pathlib import Path

import pandas as pd

from zooscope import atomic
from zooscope.data.folder import TABLE, read_table
from zooscope.errors import DataError, UsageError

WRITTEN = ("group", "stratum", "split", "pixel_size_um")


def split_folder(
    folder: Path, *, test: float = 0.25, validation: float = 0.2, group_by: str | None = None, seed: int = 0
) -> Path:
    """Write the column `split` of a folder's groups.csv, whose path is returned; images of one group stay together.

    Parameters
    ----------
    test, validation : shares of the images; as near as whole groups allow, at least one group each. The rest trains.
    group_by : regular expression; images for whose ids it finds the same text are one group. By default groups are
        those of groups.csv, else every image is its own.
    seed : another one draws other groups.

    Raises
    ------
    UsageError : shares or a pattern that do not fit, or a folder that has splits or groups already.
    DataError : a folder that is no data set, or with too few groups.
    """
    if not (0 < test < 1 and 0 < validation < 1 and test + validation < 1):
        raise UsageError(f"test {test:g} and validation {validation:g}: shares above 0 that leave some for training")
    path, table = folder / TABLE, read_table(folder)
    given = set(pd.read_csv(path, dtype=str, nrows=0).columns) if path.is_file() else set[str]()
    if "split" in given:
        raise UsageError(f"{path}: has splits already; take the column 'split' out to draw new ones")
    if group_by is not None:
        if "group" in given:
            raise UsageError(f"{path}: has groups already; --group-by would replace them")
        table["group"] = [_group(str(id), group_by) for id in table.index]
    images = {str(group): int(count) for group, count in table["group"].value_counts().items()}
    drawn = _draw(images, test, validation, seed, source=folder)
    table["split"] = [drawn[str(group)] for group in table["group"]]
    atomic.write_text(path, table[list(WRITTEN)].to_csv(lineterminator="\n"))
    return path


def _draw(images: dict[str, int], test: float, validation: float, seed: int, *, source: Path) -> dict[str, str]:
    """Split of each group, from its number of images; drawn by the hash of its name."""
    left = sorted(images, key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).hexdigest())
    if len(left) < 3:
        raise DataError(
            f"{source}: too few groups of images ({len(left)}); test, validation and training need one each"
        )
    found: dict[str, str] = {}
    for part, share, kept in (("test", test, 2), ("validation", validation, 1)):
        count = 0
        for group in left[: len(left) - kept]:
            if count + images[group] / 2 < share * sum(images.values()):
                found[group], count = part, count + images[group]
        if not count:
            found[min(left, key=lambda group: images[group])] = part
        left = [group for group in left if group not in found]
    return {**dict.fromkeys(left, "train"), **found}


def _group(id: str, pattern: str) -> str:
    try:
        match = re.search(pattern, id)
    except re.error as error:
        raise UsageError(f"--group-by '{pattern}' is no regular expression ({error})") from error
    if not match or not match.group():
        raise UsageError(f"--group-by '{pattern}' finds nothing in the name '{id}'")
    return match.group()
