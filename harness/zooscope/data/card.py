"""Data cards: what a data set is, where it comes from and how it is read, as TOML."""

import difflib
import fnmatch
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from zooscope.bundled import bundled
from zooscope.data.blur import GaussianBlur
from zooscope.data.crops import Crops
from zooscope.data.noise import Noise
from zooscope.data.scale import Scale
from zooscope.data.truth import TRUTHS
from zooscope.errors import DataError, UsageError
from zooscope.sample import Task

_NAME = r"^[a-z0-9][a-z0-9._-]*$"


class Source(BaseModel):
    """One file to download.

    `sha256` only where the source's bytes are stable; `folder` where cards share a file: its folder in the mirror and
    among downloads, in place of the card's id; `by_hand` says why a person has to get it, from the page `url`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    url: str = Field(pattern=r"^https?://")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    size: int | None = Field(default=None, gt=0, description="bytes, for the progress bar")
    folder: str | None = Field(default=None, pattern=_NAME)
    by_hand: str | None = None


class Card(BaseModel):
    """A data set's card.

    Attributes
    ----------
    known_as : other names, also of related data sets, under which packages declare training on images of this one.
    part_of : the data set whose samples and splits these are, where this is a part of another.
    reader : file in zooscope/data/readers that turns the sources into samples; none for an embedded folder.
    splits : name of each split -> what it is for.
    without_truth : splits whose source has noisy images alone: their target is the image itself, to learn from by
        self-supervision only, and never to score on.
    split_table : CSV beside the card: id, group, stratum, split; every image of it must be there.
    group_table : such a CSV from which groups alone are taken, for the images that it knows.
    strata : pattern of the strata whose images are kept, where not all of the table's are.
    scale, blur : what is done to clean images before noise is added (zooscope/data/degrade.py).
    noise : what is added to clean images, where that is done here.
    levels : in place of `noise`, several: each image comes once a level, whose name is its stratum.
    crops : keeps central squares of some images of one split, as they are once degraded.
    subsets : parts that a leaderboard reports beside the whole: name -> pattern of strata, e.g. "fluorescence-*".
    digest : sha256 over the decoded content of all samples; absent while nobody has fetched the source here.
    ranked_by : the metric that ranks on this data set, where that is not the task's usual one.
    detection_protocol : whose limits COCO's AP is computed with: "coco" or "livecell" (docs/metrics/coco.md).
    publish_predictions : whether the licence lets label images of it be published with results.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=_NAME)
    version: str = Field(pattern=r"^[0-9]+(\.[0-9]+)*$")
    task: Task
    title: str
    description: str
    licence: str
    citation: str
    homepage: str | None = Field(default=None, pattern=r"^https?://")
    bioimageio_id: str | None = None
    known_as: tuple[str, ...] = ()
    part_of: str | None = None
    reader: str | None = None
    sources: tuple[Source, ...] = ()
    splits: dict[str, str]
    without_truth: tuple[str, ...] = ()
    split_table: str | None = None
    group_table: str | None = None
    strata: str = "*"
    scale: Scale | None = None
    blur: GaussianBlur | None = None
    noise: Noise | None = None
    levels: dict[Annotated[str, Field(pattern=_NAME)], Noise] = {}
    crops: Crops | None = None
    subsets: dict[str, str] = {}
    digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    ranked_by: str | None = None
    detection_protocol: Literal["coco", "livecell"] = "coco"
    publish_predictions: bool = False

    @field_validator("task")
    @classmethod
    def _known(cls, task: Task) -> Task:
        if task not in TRUTHS:
            raise ValueError(f"'{task}' has no data yet, only {', '.join(TRUTHS)}")
        return task

    @field_validator("without_truth")
    @classmethod
    def _of_splits(cls, named: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        unknown = set(named) - set(info.data.get("splits", named))
        if unknown:
            raise ValueError(f"split '{min(unknown)}' is not one of {', '.join(info.data['splits'])}")
        return named

    @field_validator("levels")
    @classmethod
    def _one_way(cls, levels: dict[str, Noise], info: ValidationInfo) -> dict[str, Noise]:
        if levels and info.data.get("noise"):
            raise ValueError("the card has [noise] too; keep one of them")
        return levels

    @property
    def name(self) -> str:
        """`id@version`, as results name it."""
        return f"{self.id}@{self.version}"

    def subset_of(self, stratum: str) -> list[str]:
        """Names of the subsets that a stratum belongs to."""
        return [name for name, pattern in self.subsets.items() if fnmatch.fnmatchcase(stratum, pattern)]


def load_card(path: Path) -> Card:
    """Read a card; DataError names the file, the key and what would be right."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"card {path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"card {path}: not TOML: {error}") from error
    try:
        card = Card.model_validate(raw)
    except ValidationError as error:
        raise DataError(f"card {path}: " + "; ".join(_explain(item) for item in error.errors())) from error
    if card.id != path.stem:
        raise DataError(f"card {path}: id '{card.id}' is not the file's name '{path.stem}'")
    return card


def card_ids() -> list[str]:
    """Ids of the bundled cards, sorted."""
    return sorted(path.stem for path in bundled("datasets").glob("*.toml"))


def known_names() -> set[str]:
    """Every name under which a package or a person may say what a model was trained on."""
    cards = [load_card(bundled("datasets") / f"{id}.toml") for id in card_ids()]
    return {name for card in cards for name in (card.id, card.bioimageio_id, *card.known_as) if name}


def find_card(name: str) -> tuple[Card, Path]:
    """A bundled card by id, or any card by path to its TOML, with the folder it lies in."""
    if name.endswith(".toml"):
        return load_card(Path(name)), Path(name).parent
    if name not in card_ids():
        close = difflib.get_close_matches(name.lower(), card_ids(), n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise UsageError(f"data set '{name}' is neither a folder nor one of {', '.join(card_ids())}{hint}")
    return load_card(bundled("datasets") / f"{name}.toml"), bundled("datasets")


def _explain(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = list(Source.model_fields if item["loc"][0] == "sources" else Card.model_fields)
        close = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
        hint = f", did you mean '{close[0]}'?" if close else f"; known are {', '.join(known)}"
        return f"unknown key '{key}'{hint}"
    if item["type"] == "missing":
        return f"key '{key}' is missing"
    return f"key '{key}': {item['msg']}, but it is {item['input']!r}"
