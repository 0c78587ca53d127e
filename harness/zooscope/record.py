"""Record: what run.json says of a row, enough to repeat it; sealed, so that a damaged or edited one is found."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from zooscope.errors import DataError
from zooscope.runkey import digest_of

SCHEMA = "zooscope-run@2"
RUN = "run.json"
Sha256 = Field(pattern="^[0-9a-f]{64}$")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRecord(_Part):
    """What was ranked: a package, a baseline, or label images made elsewhere.

    `padding` tells how it was found out whether a package wants its halo added around each image.
    """

    name: str
    kind: Literal["package", "baseline", "labels"]
    digest: str = Sha256
    id: str | None = None
    title: str | None = None
    licence: str | None = None
    format_version: str | None = None
    tags: list[str] = []
    training_data: list[dict[str, Any]] = []
    size_bytes: int | None = None
    padding: str | None = None
    card: str | None = None


class DataRecord(_Part):
    """What it was ranked on. `digest` is of the decoded content; `card` is the data card without its sources."""

    id: str
    version: str
    digest: str = Sha256
    split: str
    images: int
    groups: int
    card: dict[str, Any]


class TuningRecord(_Part):
    """How the decoder's parameters were chosen: what was searched, on which split and content, by which score."""

    objective: str
    split: str
    data: str = Sha256
    search: dict[str, list[Any]]
    score: float


class EnvironmentRecord(_Part):
    """What it ran with; `commit` and `dirty` of a checkout."""

    python: str
    platform: str
    versions: dict[str, str]
    commit: str | None = None
    dirty: bool | None = None


class RunRecord(_Part):
    """run.json of a row.

    Attributes
    ----------
    seal : sha256 of the canonical JSON (sorted keys, no spaces) of all the rest.
    files : sha256 of each other file of the row.
    key : of everything that decides the answer; `request`, the same before tuning.
    protocol : weights format, precision, device class, tiling, channel rules, decoder.
    trained_on : why the model may have seen these images, if so.
    tile_px : the largest tile, where memory did not allow that of the protocol.
    records : name and version of the records in images.csv.
    reason, crashed, log : of a model that could not be ranked.
    """

    schema_: Literal["zooscope-run@2"] = Field(alias="schema")
    seal: str = Sha256
    files: dict[str, str]
    status: Literal["done", "failed"]
    key: str = Sha256
    request: str = Sha256
    created: str
    model: ModelRecord
    dataset: DataRecord
    protocol: dict[str, Any]
    params: dict[str, Any] | None = None
    tuning: TuningRecord | None = None
    trained_on: str | None = None
    environment: EnvironmentRecord
    tile_px: int | None = None
    records: str | None = None
    seconds_per_image: float | None = None
    reason: str | None = None
    crashed: bool | None = None
    log: str | None = None


def sealed(run: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The record with its schema, the digests of the folder's files, and its seal."""
    told = {key: value for key, value in run.items() if key not in ("schema", "seal", "files")}
    files = {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.name != RUN}
    whole = json.loads(json.dumps({"schema": SCHEMA, "files": files, **told}))
    return {**whole, "seal": digest_of(whole)}


def read_record(folder: Path) -> dict[str, Any]:
    """run.json of a row.

    Raises
    ------
    DataError : not there, not JSON, of another schema, or changed since it was sealed.
    """
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
        schema, seal = run["schema"], run.get("seal")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder}: not a result ({error}); delete it and run again") from error
    if schema != SCHEMA:
        raise DataError(f"{folder}: schema '{schema}', this zooscope reads {SCHEMA}; delete it and run again")
    if seal != digest_of({key: value for key, value in run.items() if key != "seal"}):
        raise DataError(f"{folder}: {RUN} was changed after it was written; restore it, or delete it and run again")
    return run


def refuse_damaged(folder: Path, run: Mapping[str, Any], name: str) -> None:
    """DataError where a file of a row is not the one that was written."""
    path = folder / name
    if not path.is_file():
        raise DataError(f"{path}: is missing; restore it, or delete the folder and run again")
    if _sha256(path) != run["files"].get(name):
        raise DataError(f"{path}: was changed after it was written; restore it, or delete the folder and run again")


def json_schema() -> str:
    """The JSON Schema of run.json."""
    return json.dumps(RunRecord.model_json_schema(), indent=1, sort_keys=True) + "\n"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
