"""Classes of objects: classes.csv in a data set's folder, a row an object: id of the image, label, class."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooscope.errors import DataError, one_line

CLASSES = "classes.csv"
COLUMNS = ("id", "label", "class")

Classes = Mapping[int, str]
"""Class of the objects of an image by their labels; one that is not in it may be of any."""


def read_classes(folder: Path, ids: Collection[str]) -> dict[str, Classes] | None:
    """Those of each image; None where the folder has no such table.

    Raises
    ------
    DataError : no such columns, an image that is not there, a label that is none or stands twice, an empty class.
    """
    path = folder / CLASSES
    if not path.is_file():
        return None
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise DataError(f"{path}: no CSV table in UTF-8 ({one_line(error)})") from error
    if not isinstance(table.index, pd.RangeIndex):  # what pandas makes of it
        raise DataError(f"{path}: a row has more cells than the table has columns")
    if set(table.columns) != set(COLUMNS):
        raise DataError(f"{path}: columns {', '.join(table.columns)}; {', '.join(COLUMNS)} are expected")
    found: dict[str, dict[int, str]] = {id: {} for id in ids}
    for id, text, name in table[list(COLUMNS)].itertuples(index=False):
        if id not in found:
            raise DataError(f"{path}: '{id}' is not in images/")
        if not (text.isdecimal() and int(text)):
            raise DataError(f"{path}: '{id}' has the label '{text}'; whole numbers from 1 are expected")
        if not name.strip():
            raise DataError(f"{path}: object {text} of '{id}' has an empty class; leave out what has none")
        if int(text) in found[id]:
            raise DataError(f"{path}: object {text} of '{id}' stands there twice")
        found[id][int(text)] = name.strip()
    return dict(found)


def write_classes(folder: Path, classes: Mapping[str, Classes]) -> None:
    """The table of such a folder, sorted."""
    rows = [(id, label, name) for id, found in sorted(classes.items()) for label, name in sorted(found.items())]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / CLASSES, index=False, lineterminator="\n")


def refuse_others(classes: Classes, labels: NDArray[np.int32], *, source: str) -> None:
    """DataError where a class is given to an object that the label image does not hold."""
    missing = sorted(set(classes) - set(np.unique(labels).tolist()))
    if missing:
        raise DataError(f"{source}: {CLASSES} names object {missing[0]}, which the mask does not hold ({len(missing)})")
