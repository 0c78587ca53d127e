"""Dataset: the verified samples of a card or of a user's folder, one split or all."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from zooscope.cache import cache_folder, locked
from zooscope.data.card import Card, card_ids, find_card
from zooscope.data.digest import rows_digest
from zooscope.data.fetch import fetch, forget
from zooscope.data.folder import TABLE, read_sample, read_table, write_folder
from zooscope.data.truth import task_of, truth_folder
from zooscope.errors import DataError, UsageError
from zooscope.sample import Sample, Task


@dataclass(frozen=True)
class Dataset:
    """Samples that were verified against their digests; iterating decodes one at a time.

    Attributes
    ----------
    card : the data set's card; a user's folder gets one with its name.
    folder : where images/ and the targets lie.
    table : one row a sample of this split, indexed by id: group, stratum, split, file names, digests.
    digest : sha256 over the decoded content of all splits.
    split : the split this is limited to, or None for all.
    """

    card: Card
    folder: Path
    table: pd.DataFrame
    digest: str
    split: str | None = None

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Sample]:
        return (self[id] for id in self.ids)

    def __getitem__(self, id: str) -> Sample:
        return read_sample(self.folder, self.table, id)

    @property
    def ids(self) -> list[str]:
        """Ids of the samples, sorted."""
        return [str(id) for id in self.table.index]

    @property
    def name(self) -> str:
        """`id@version`, as results name it."""
        return self.card.name

    @cached_property
    def splits(self) -> list[str]:
        """Splits that this has samples of, sorted."""
        return sorted(self.table["split"].unique())

    def only(self, split: str) -> "Dataset":
        """The data set limited to one split; UsageError if it has no such split."""
        if split not in self.splits:
            raise UsageError(f"data set '{self.card.id}': split '{split}' is not one of {', '.join(self.splits)}")
        return replace(self, table=self.table[self.table["split"] == split], split=split)

    def refuse_without_truth(self, ids: Iterable[str]) -> None:
        """UsageError where there is nothing to compare these samples with, or to learn from but the images."""
        blind = sorted({str(self.table.loc[id, "split"]) for id in ids} & set(self.card.without_truth))
        if blind:
            raise UsageError(
                f"data set '{self.card.id}': split '{blind[0]}' has images alone, neither masks nor clean images; "
                "only noise2void learns from it"
            )

    def refuse_volumes(self) -> None:
        """UsageError where the samples are volumes: they are learned from and predicted, not ranked."""
        if self.card.task is Task.RESTORATION and self.ids and self[self.ids[0]].axes == "zyx":
            raise UsageError(
                f"data set '{self.card.id}': its images are volumes, and rankings are of 2D images; "
                "`zooscope predict` restores volumes, zooscope.metrics.measure compares two of them"
            )

    def leaks(self, *, into: str = "test", source: str = "train") -> list[str]:
        """Ids in one split whose group also has images in another: no honest split has any."""
        rows = list(zip(self.ids, self.table["split"], self.table["group"], strict=True))
        seen = {group for _, split, group in rows if split == source}
        return [id for id, split, group in rows if split == into and group in seen]


def load_dataset(
    name: str | Path, *, split: str | None = None, progress: bool = True, download: bool = True
) -> Dataset:
    """A data set by its card's id, by the path of a card, or a folder of one's own, ready to iterate.

    Parameters
    ----------
    name : "dsb2018", "my/card.toml", or a folder with images/, masks/ (label images) or clean/ (of restoration) or
        neither (to learn from by self-supervision), and optionally groups.csv (id, and any of group, stratum, split,
        pixel_size_um). A card's id comes before a folder of that name in the current directory, which is "./dsb2018" or
        a Path.
    split : limit to one split.
    progress : show a bar while downloading and decoding.
    download : without it, a data set that is not in the cache yet is a DataError.

    Raises
    ------
    UsageError : no such data set or split.
    DataError : a source that cannot be had, is damaged, or holds something else than the card says.
    """
    path = Path(name)
    own = path.is_dir() and (isinstance(name, Path) or name not in card_ids())
    dataset = _from_folder(path) if own else _from_card(str(name), progress=progress, download=download)
    return dataset.only(split) if split else dataset


def folder_card(name: str, *, splits: Iterable[str], task: Task = Task.INSTANCE_SEGMENTATION) -> Card:
    """The card of a user's folder of that name."""
    return Card(
        id=_id_of(name),
        version="0",
        task=task,
        title=name,
        description="A folder of one's own.",
        licence="not stated",
        citation="",
        splits=dict.fromkeys(splits, ""),
        publish_predictions=True,
    )


def _id_of(name: str) -> str:
    """An id that a card may have; names that would lose letters keep a hash of what they were."""
    id = re.sub("[^a-z0-9._-]", "-", name.lower()).strip("._-")
    return id if id == name.lower() else f"{id or 'folder'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _from_folder(path: Path) -> Dataset:
    table = read_table(path)
    splits = sorted(set(table["split"]))
    card = folder_card(path.resolve().name, splits=splits, task=task_of(path))
    if truth_folder(path) == path / "images":
        card = card.model_copy(update={"without_truth": tuple(splits)})
    return Dataset(card, path, table, _digest(table))


def _from_card(name: str, *, progress: bool, download: bool) -> Dataset:
    card, beside = find_card(name)
    if card.reader is None:
        folder = beside / card.id
    else:
        home = cache_folder("data")
        folder = home / f"{card.name}-{card.digest[:12] if card.digest else _unpinned(card, beside)}"
        if not (folder / TABLE).is_file():
            if not download:
                raise DataError(f"data set '{card.id}' is not on this machine; `zooscope fetch {card.id}` gets it")
            with locked(home):
                if not (folder / TABLE).is_file():
                    _decode(card, folder, progress=progress, beside=beside)
    table = read_table(folder)
    digest = _digest(table)
    if card.digest and digest != card.digest:
        raise DataError(f"{folder}: its content's digest is {digest}, the card says {card.digest}; delete the folder")
    return Dataset(card, folder, table, digest)


def _decode(card: Card, folder: Path, *, progress: bool, beside: Path) -> None:
    """Read the sources into the cache; content that is not the card's leaves no cache, nor the downloads at fault."""
    import shutil

    from zooscope.data.readers import read

    files = fetch(card, progress=progress)
    try:
        digest = write_folder(folder, read(card, files, beside=beside, progress=progress), task=card.task)
        if card.digest and digest != card.digest:
            raise DataError(
                f"data set '{card.id}': the decoded content's digest is {digest}, the card says {card.digest}: "
                f"{', '.join(str(file) for file in files.values())} is not the data that the card describes"
            )
    except DataError as error:
        shutil.rmtree(folder, ignore_errors=True)
        for source in card.sources:
            if str(files[source.file]) in str(error):  # readers name the file; others, which cards may share, stay
                forget(card, source)
        raise
    except OSError as error:
        remedy = "free some space or point ZOOSCOPE_CACHE at another disk"
        raise DataError(f"{folder}: cannot be written ({error.strerror or error}); {remedy}") from error


def _unpinned(card: Card, beside: Path) -> str:
    """What tells the cache of a card without digest from that of another: the card itself and its tables."""
    digest = hashlib.sha256(card.model_dump_json().encode())
    for table in (card.split_table, card.group_table):
        if table and (beside / table).is_file():
            digest.update((beside / table).read_bytes())
    return f"unpinned-{digest.hexdigest()[:12]}"


def _digest(table: pd.DataFrame) -> str:
    return rows_digest(table.reset_index().to_dict("records"))
