"""Readers: how each source's own layout becomes samples. A card names its reader, a file of this folder."""

import csv
import fnmatch
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from zooscope.data.card import Card
from zooscope.data.crops import cropped
from zooscope.data.degrade import degrade
from zooscope.errors import DataError
from zooscope.progress import track
from zooscope.sample import Sample


def read(card: Card, files: Mapping[str, Path], *, beside: Path, progress: bool) -> Iterator[tuple[Sample, str]]:
    """(sample, split) of every image of a card's sources, grouped and split by the card's table where it has one.

    Of a card with crops only those. A reader is a module with `read(card, files)` that yields (sample, split). An
    image that the table lacks keeps what the reader said; a table whose images are not all there is an error. Of a
    card with noise the reader gives the clean images.

    Raises
    ------
    DataError : an unknown reader, sources that hold something else, a split that the card does not name.
    """
    pairs = _read(card, files, beside=beside, progress=progress)
    yield from cropped(pairs, card.crops) if card.crops else pairs


def _read(card: Card, files: Mapping[str, Path], *, beside: Path, progress: bool) -> Iterator[tuple[Sample, str]]:
    known = [module.name for module in pkgutil.iter_modules(__path__)]
    name = (card.reader or "").replace("-", "_")
    if name not in known:
        raise DataError(f"card '{card.id}': reader '{card.reader}' is not one of {', '.join(sorted(known))}")
    table = split_table(beside / card.split_table) if card.split_table else {}
    groups = split_table(beside / card.group_table) if card.group_table else {}
    pairs = importlib.import_module(f"{__name__}.{name}").read(card, files)
    seen: set[str] = set()
    for sample, split in track(pairs, f"decoding {card.name}", len(table) or None, show=progress):
        if card.crops and split != card.crops.split and not table:
            continue
        row = table.get(sample.id)
        if row:
            sample, split = replace(sample, group=row["group"], stratum=row["stratum"]), row["split"]
        elif sample.id in groups:
            sample = replace(sample, group=groups[sample.id]["group"])
        if split not in card.splits:
            splits = ", ".join(card.splits)
            raise DataError(f"card '{card.id}': split '{split}' of '{sample.id}' is not one of {splits}")
        seen.add(sample.id)
        if fnmatch.fnmatchcase(sample.stratum, card.strata):
            yield from ((degraded, split) for degraded in degrade(sample, card))
    missing = sorted(set(table) - seen)
    if missing or not seen:
        what = f"{len(missing)} images of {card.split_table} are" if missing else "images are"
        raise DataError(f"data set '{card.id}': {what} missing from {', '.join(str(file) for file in files.values())}")


def split_table(path: Path) -> dict[str, dict[str, str]]:
    """Rows of a split table (id, group, stratum, split) by id."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        lacking = [key for key in ("id", "group", "stratum", "split") if key not in (reader.fieldnames or ())]
        if lacking:
            raise DataError(f"{path}: column '{lacking[0]}' is missing; found {', '.join(reader.fieldnames or ())}")
        return {row["id"]: row for row in reader}
