"""A folder as a data set: images/, masks/ or clean/, groups.csv. A user's own, the demo set, the decoded cache.

Where objects overlap, objects/<id>.parquet holds the mask of each beside the label image: a row a run of pixels. Where
they have classes, classes.csv tells them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from zooscope import atomic
from zooscope.data.classes import read_classes, refuse_others, write_classes
from zooscope.data.digest import array_digest, rows_digest, target_digest
from zooscope.data.labels import refuse_foreground_masks
from zooscope.data.truth import TRUTHS, task_of, truth_folder
from zooscope.errors import DataError, one_line
from zooscope.imagefile import SUFFIXES, encode_tiff, read_array, read_image
from zooscope.masks import Masks
from zooscope.sample import Sample, Task

TABLE = "groups.csv"
OBJECTS = "objects"
COLUMNS = ("id", "group", "stratum", "split", "pixel_size_um", "image_sha256", "target_sha256")


def read_table(folder: Path) -> pd.DataFrame:
    """One row a sample, indexed by id: group, stratum, split, pixel size, image, target (file names), classes, digests.

    Without groups.csv every image is its own group, the stratum is "all" and the split "test". Digests that the table
    does not hold are computed from the files, which reads each of them.

    Raises
    ------
    DataError : no images, an image without target or the reverse, a table that names others.
    """
    task = task_of(folder)
    truth = TRUTHS[task]
    images, targets = _files(folder / "images"), _files(truth_folder(folder))
    if not images:
        raise DataError(
            f"{folder / 'images'}: no images ({', '.join(SUFFIXES)}); "
            "expected images/ and masks/ (label images) or clean/ (of restoration), or images/ alone to learn from"
        )
    for id in sorted(set(images) ^ set(targets)):
        have, lack = ("images", truth.folder) if id in images else (truth.folder, "images")
        raise DataError(f"{folder}: '{id}' is in {have}/ but not in {lack}/ (files pair by name without suffix)")
    for name in targets.values():
        if not truth.lossy and name.lower().endswith((".jpg", ".jpeg")):
            raise DataError(
                f"{folder / truth.folder / name}: JPEG changes the numbers of objects; save masks as TIFF or PNG"
            )
    table = pd.DataFrame({"image": images, "target": targets}).rename_axis("id").sort_index()
    classes = (read_classes(folder, images) if task is Task.INSTANCE_SEGMENTATION else None) or {}
    table["classes"] = pd.Series([classes.get(str(id)) for id in table.index], index=table.index, dtype=object)
    given = _given(folder / TABLE, set(images))
    defaults = {"group": table.index, "stratum": "all", "split": "test", "pixel_size_um": np.nan}
    for column, default in defaults.items():
        table[column] = given[column].reindex(table.index) if column in given else default
    for column in ("image_sha256", "target_sha256"):
        table[column] = given[column].reindex(table.index) if column in given else ""
    if "" in {*table["image_sha256"], *table["target_sha256"]}:
        for id in table.index:
            sample = read_sample(folder, table, str(id), verify=False)
            table.loc[id, "image_sha256"] = array_digest(sample.image.values)
            table.loc[id, "target_sha256"] = target_digest(sample.target, sample.objects, sample.classes)
        if task is Task.INSTANCE_SEGMENTATION:
            found = (read_sample(folder, table, str(id), verify=False).target for id in table.index)
            refuse_foreground_masks(found, source=str(folder / truth.folder))
    return table


def read_sample(folder: Path, table: pd.DataFrame, id: str, *, verify: bool = True) -> Sample:
    """One sample of a folder; with `verify` its content must match the table's digests."""
    row = table.loc[id]
    task = task_of(folder)
    image = read_image(folder / "images" / row["image"], volumes=task is Task.RESTORATION)
    path = truth_folder(folder) / row["target"]
    target = read_target(path, image, task=task)
    objects = _read_masks(folder / OBJECTS / f"{id}.parquet", target.shape[:2])
    classes = row["classes"]
    if classes:
        refuse_others(classes, target, source=f"{folder}: '{id}'")
    found = (array_digest(image.values), target_digest(target, objects, classes)) if verify else None
    if found and found != (row["image_sha256"], row["target_sha256"]):
        what = f"{folder}: sample '{id}' changed since its digest was taken"
        raise DataError(f"{what}; load the folder again if it is your own, delete it to make it anew if it is a cache")
    size = None if pd.isna(row["pixel_size_um"]) else float(row["pixel_size_um"])
    return Sample(id, image, target, str(row["group"]), str(row["stratum"]), size, objects, classes)


def read_target(path: Path, image: xr.DataArray, *, task: Task) -> NDArray[Any]:
    """A target, or a prediction of it, from a file; DataError where it is none for this image."""
    if task is Task.RESTORATION:
        array, shape = read_image(path, volumes=True).values, image.shape
    else:
        array, shape = read_array(path), (image.sizes["y"], image.sizes["x"])
    return TRUTHS[task].check(array, shape=shape, source=str(path))


def write_folder(path: Path, samples: Iterable[tuple[Sample, str]], *, task: Task = Task.INSTANCE_SEGMENTATION) -> str:
    """Write (sample, split) pairs as such a folder, whole or not at all; return the digest of their content."""
    rows: list[dict[str, object]] = []
    classes: dict[str, Mapping[int, str]] = {}
    truth = TRUTHS[task]
    with atomic.new_folder(path) as building:
        (building / "images").mkdir()
        (building / truth.folder).mkdir()
        for sample, split in samples:
            image, target = sample.image.values, sample.target
            (building / "images" / f"{sample.id}.tif").write_bytes(encode_tiff(image))
            (building / truth.folder / f"{sample.id}.tif").write_bytes(encode_tiff(truth.stored(target)))
            if sample.objects is not None:
                (building / OBJECTS).mkdir(exist_ok=True)
                _write_masks(building / OBJECTS / f"{sample.id}.parquet", sample.objects)
            if sample.classes is not None:
                classes[sample.id] = sample.classes
            size = "" if sample.pixel_size_um is None else sample.pixel_size_um
            digests = (array_digest(image), target_digest(target, sample.objects, sample.classes))
            row = (sample.id, sample.group, sample.stratum, split, size, *digests)
            rows.append(dict(zip(COLUMNS, row, strict=True)))
        rows.sort(key=lambda row: str(row["id"]))
        if classes:
            write_classes(building, classes)
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(building / TABLE, index=False, lineterminator="\n")
    return rows_digest(rows)


def _write_masks(path: Path, masks: Masks) -> None:
    """A row a run; what is true of an object stands in each of its runs."""
    runs = pd.DataFrame({"owner": masks.owner, "start": masks.start, "length": masks.length})
    runs.assign(area=masks.area[masks.owner], crowd=masks.crowd[masks.owner]).to_parquet(path, index=False)


def _read_masks(path: Path, shape: tuple[int, ...]) -> Masks | None:
    if not path.is_file():
        return None
    try:
        runs = pd.read_parquet(path)
        owner, start, length = (runs[name].to_numpy(np.int64) for name in ("owner", "start", "length"))
        objects = runs.drop_duplicates("owner").set_index("owner")
        area, crowd = objects["area"].to_numpy(np.float64), objects["crowd"].to_numpy(bool)
    except (KeyError, OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: no table of the runs of masks ({one_line(error)})") from error
    fits = (start >= 0) & (length > 0) & (start + length <= shape[0] * shape[1])
    if not fits.all() or (np.diff(owner, prepend=0) < 0).any() or list(objects.index) != list(range(len(objects))):
        raise DataError(
            f"{path}: runs that do not fit an image of {shape[0]}x{shape[1]} pixels, or objects out of order"
        )
    return Masks((shape[0], shape[1]), owner, start, length, area, crowd)


def _files(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            raise DataError(f"{folder}: '{found[path.stem]}' and '{path.name}' share one name; which is meant?")
        found[path.stem] = path.name
    return found


def _given(path: Path, ids: set[str]) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame()
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:  # pandas' own errors, and bytes that are no UTF-8
        raise DataError(f"{path}: no CSV table in UTF-8 ({' '.join(str(error).split())})") from error
    if "id" not in table or not set(table.columns) <= set(COLUMNS):
        known = ", ".join(COLUMNS[1:])
        raise DataError(f"{path}: columns {', '.join(table.columns)}; 'id' and any of {known} are known")
    table = table.fillna("").set_index("id")
    if table.index.has_duplicates or set(table.index) != ids:
        wrong = sorted(set(table.index) ^ ids) or sorted(table.index[table.index.duplicated()])
        raise DataError(f"{path}: '{wrong[0]}' is not once in the table and once in images/ ({len(wrong)} such)")
    empty = [column for column in ("group", "stratum", "split") if column in table and "" in set(table[column])]
    if empty:
        raise DataError(f"{path}: column '{empty[0]}' has empty cells")
    if "pixel_size_um" in table:
        cells = zip(table.index, table["pixel_size_um"], strict=True)
        sizes = [_length(cell, source=f"{path}: '{id}'") for id, cell in cells]
        table["pixel_size_um"] = np.array(sizes, np.float64)
    return table


def _length(cell: str, *, source: str) -> float:
    """A cell's length, NaN if it is empty."""
    try:
        value = float(cell or "nan")
    except ValueError:
        value = -1.0
    if cell and not 0 < value < np.inf:
        raise DataError(f"{source}: pixel_size_um '{cell}' is no length in micrometres")
    return value
