"""Predictions in the cache and results in a reports folder: content-addressed, atomic, never half-written."""

import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from zooscope import atomic
from zooscope.cache import cache_folder
from zooscope.data.truth import TRUTHS
from zooscope.errors import DataError
from zooscope.imagefile import decode_array, encode_tiff, smallest_labels
from zooscope.metrics.detected import Detected, from_bytes
from zooscope.record import RUN, read_record, refuse_damaged, sealed
from zooscope.sample import Task

IMAGES, DETECTIONS, OBJECTS = "images.csv", "detections.npz", "objects.parquet"


class Predictions:
    """Predictions of one run, in the cache under the run's key; what a killed run wrote is found again."""

    def __init__(self, key: str) -> None:
        self.folder = cache_folder("predictions", key)

    def has(self, id: str) -> bool:
        """Whether the prediction of a sample is there, whole."""
        return self._path(id).is_file()

    def put(
        self,
        id: str,
        found: NDArray[Any],
        objects: Mapping[str, NDArray[np.generic]],
        seconds: float,
        *,
        scale: float | None = None,
    ) -> None:
        """Write a prediction: `<id>.parquet` with a row an object, then `<id>.tif`, whose being there says done.

        Parameters
        ----------
        found : a label image int32, or a restored image float32.
        scale : by how much the image was enlarged to be predicted, where that was found out.
        """
        if objects:
            table = pd.DataFrame({"label": np.arange(1, found.max(initial=0) + 1), **objects})
            buffer = io.BytesIO()
            table.to_parquet(buffer, index=False)
            atomic.write_bytes(self.folder / f"{id}.parquet", buffer.getvalue())
        about = json.dumps({"seconds": round(seconds, 4), **({} if scale is None else {"scale": scale})})
        image = found if found.dtype.kind == "f" else smallest_labels(found)
        atomic.write_bytes(self._path(id), encode_tiff(image, description=about))

    def get(self, id: str) -> tuple[NDArray[Any], dict[str, float]]:
        """The prediction of a sample, and of it: `seconds` that it took, `scale` where that was found out."""
        import tifffile

        with tifffile.TiffFile(self._path(id)) as file:
            page = file.pages[0]
            found = page.asarray()
            about = json.loads(page.description)  # type: ignore[union-attr]
            return found if found.dtype.kind == "f" else found.astype(np.int32), about

    def scores(self, id: str) -> NDArray[np.float64] | None:
        """The decoder's confidence of each object, in the order of labels; None where it has none."""
        path = self.folder / f"{id}.parquet"
        table = pd.read_parquet(path) if path.is_file() else pd.DataFrame()
        return table["score"].to_numpy(np.float64) if "score" in table else None

    def _path(self, id: str) -> Path:
        return self.folder / f"{id}.tif"


@dataclass(frozen=True)
class Result:
    """One row on disk: `run` says what it is, `images` holds its records (none for a failed row)."""

    folder: Path
    run: Mapping[str, Any]

    @cached_property
    def images(self) -> pd.DataFrame:
        """One row an image, indexed by id: group, stratum, seconds and the columns of the record."""
        path = self.folder / IMAGES
        if not path.is_file():
            return pd.DataFrame()
        refuse_damaged(self.folder, self.run, IMAGES)
        # an image may be called NA: in words nothing is missing, in numbers whatever is empty; four times as fast as
        # pandas' own reader, which matters to a site of thousands of rows
        types = {"id": pa.string(), "group": pa.string(), "stratum": pa.string(), "seconds": pa.float64()}
        options = csv.ConvertOptions(column_types=types, strings_can_be_null=False)
        return csv.read_csv(path, convert_options=options).to_pandas().set_index("id")

    @property
    def failed(self) -> bool:
        """Whether the row is a failure with a reason."""
        return self.run["status"] == "failed"

    @property
    def archive(self) -> Path:
        """The file of the stored predictions, if there are any."""
        return self.folder / TRUTHS[self.task].archive

    @property
    def task(self) -> Task:
        """What was asked of the model."""
        return Task(self.run["dataset"]["card"]["task"])

    @property
    def has_predictions(self) -> bool:
        """Whether predictions are stored with the row; not where the data's licence does not let them be published."""
        return self.archive.is_file()

    @cached_property
    def detections(self) -> Detected:
        """What the objects of each image matched by COCO's rules, in the order of the ids; empty where not stored."""
        path = self.folder / DETECTIONS
        if not path.is_file():
            return {}
        refuse_damaged(self.folder, self.run, DETECTIONS)
        return from_bytes(path.read_bytes())

    @cached_property
    def _objects(self) -> pd.DataFrame:
        path = self.folder / OBJECTS
        return pd.read_parquet(path).set_index("id") if path.is_file() else pd.DataFrame()

    def scores(self, id: str) -> NDArray[np.float64] | None:
        """The stored confidence of each object of a sample, in the order of labels; None where there is none."""
        if self._objects.empty:
            return None
        return self._objects.loc[self._objects.index == id, "score"].to_numpy(np.float64)

    def prediction(self, id: str) -> NDArray[Any] | None:
        """The stored label image (int32) or restored image of a sample; None where none are stored."""
        if not self.has_predictions:
            return None
        with zipfile.ZipFile(self.archive) as archive:
            found = decode_array(archive.read(f"{id}.tif"), suffix=".tif")
        return found.astype(np.int32) if self.task is Task.INSTANCE_SEGMENTATION else found


class Results:
    """The rows in a reports folder: `results/<data>@<version>/<split>/<model>@<digest8>/<key8>/`."""

    def __init__(self, reports: Path) -> None:
        self.reports = reports
        self.root = reports / "results"

    def prepare(self) -> None:
        """Make the folder, before hours of computing find out that it cannot be."""
        self.root.mkdir(parents=True, exist_ok=True)
        if not os.access(self.root, os.W_OK):
            raise DataError(f"{self.root}: may not be written to; choose another --reports folder")

    def find(self, request: str, *, dataset: str, split: str) -> Result | None:
        """The row of a request, if it is there."""
        for result in self.all(dataset=dataset, split=split):
            if result.run["request"] == request:
                return result
        return None

    def all(self, *, dataset: str, split: str) -> Iterator[Result]:
        """Every row of a data set (id@version) and split, in the order of their folders."""
        for path in sorted((self.root / dataset / split).glob("*/[!.]*/run.json")):  # not one that is being written
            yield read_result(path.parent)

    def splits(self) -> list[tuple[str, str]]:
        """(data set, split) of which there are rows."""
        return sorted({(p.parents[3].name, p.parents[2].name) for p in self.root.glob("*/*/*/[!.]*/run.json")})

    def write(
        self,
        run: Mapping[str, Any],
        images: pd.DataFrame,
        predictions: Mapping[str, bytes] | None,
        files: Mapping[str, bytes] = MappingProxyType({}),
    ) -> Result:
        """Write a row, whole or not at all; a row of the same request (an earlier failure) makes way.

        Parameters
        ----------
        predictions : a TIFF of each image.
        files : what else lies beside the record, by name.
        """
        model, data = run["model"], run["dataset"]
        folder = self.root / f"{data['id']}@{data['version']}" / data["split"]
        folder = folder / f"{model['name']}@{model['digest'][:8]}" / run["key"][:8]
        with atomic.new_folder(folder) as building:
            if len(images):
                images.to_csv(building / IMAGES, index_label="id", lineterminator="\n", float_format="%.9g")
            if predictions:
                _write_archive(building / TRUTHS[Task(data["card"]["task"])].archive, predictions)
            for name, content in files.items():
                (building / name).write_bytes(content)
            text = json.dumps(sealed(run, building), indent=1, sort_keys=True) + "\n"
            (building / RUN).write_text(text, encoding="utf-8")
        for other in list(self.all(dataset=f"{data['id']}@{data['version']}", split=data["split"])):
            if other.run["request"] == run["request"] and other.folder != folder:
                shutil.rmtree(other.folder)
        return read_result(folder)


def read_result(folder: Path) -> Result:
    """A row from its folder; DataError for a record of another schema, a broken or an edited one."""
    return Result(folder, read_record(folder))


def _write_archive(path: Path, files: Mapping[str, bytes]) -> None:
    """TIFFs in a zip whose bytes depend on them alone."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for id in sorted(files):
            archive.writestr(zipfile.ZipInfo(f"{id}.tif"), files[id])
