"""A leaderboard: rows with estimates for every subset, ranks, differences to the best, and the failures."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooscope.data.card import Card
from zooscope.errors import DataError
from zooscope.metrics import METRICS, RECORDS, metrics_of
from zooscope.metrics.metric import Metric, Records
from zooscope.report.shown import Shown, shown_on
from zooscope.sample import Task
from zooscope.stats import Estimate, GroupBootstrap
from zooscope.store import Result

_RANKS = ("rank", "rank_low", "rank_high")


@dataclass(frozen=True)
class Subset:
    """A part of the split: "all", a subset that the card names, or one stratum."""

    name: str
    kind: str
    images: int
    groups: int


@dataclass(frozen=True)
class Standing:
    """A model on a subset: its rank (None on a stratum), estimates by metric, and paired difference to the best.

    `rank_interval` is None below ten groups and on a stratum.
    """

    rank: int | None
    scores: Mapping[str, Estimate]
    behind: Estimate | None
    rank_interval: tuple[int, int] | None = None


@dataclass(frozen=True)
class BoardRow:
    """A model that was ranked, with its standing on each subset by name."""

    result: Result
    name: str
    standings: Mapping[str, Standing]

    @cached_property
    def records(self) -> Records:
        """The records of all images, in the order of their sorted ids."""
        return _records(self.result.images.sort_index())


@dataclass(frozen=True)
class Board:
    """Rows best first, failures with their reasons, and what they stand on."""

    card: Card
    split: str
    digest: str
    subsets: Sequence[Subset]
    rows: Sequence[BoardRow]
    failures: Sequence[Result]

    @cached_property
    def shown(self) -> Shown:
        """What this ranks by and shows."""
        return shown_on(self.card)

    @property
    def has_thresholds(self) -> bool:
        """Whether objects are matched at IoU thresholds here, so that there is a curve over them."""
        return self.card.task == Task.INSTANCE_SEGMENTATION

    def best_first(self, subset: str) -> list[BoardRow]:
        """The rows, the best on a subset first; one without a score comes last."""
        return sorted(self.rows, key=lambda row: _place(row.standings[subset], self.shown))

    @cached_property
    def members(self) -> Mapping[str, NDArray[np.bool_]]:
        """Of each subset, which images of the sorted ids belong to it."""
        table = self.rows[0].result.images.sort_index() if self.rows else pd.DataFrame()
        return {name: rows for name, _, rows in _subsets(table, self.card)}

    @cached_property
    def ids(self) -> list[str]:
        """Ids of all images, sorted."""
        return sorted(map(str, self.rows[0].result.images.index)) if self.rows else []

    def groups(self, subset: str) -> list[str]:
        """The group of each image of a subset."""
        return list(self.rows[0].result.images.sort_index()["group"][self.members[subset]])

    def records(self, row: BoardRow, subset: str = "all") -> Records:
        """The records of a row's images of a subset, in the order of their ids."""
        return {column: values[self.members[subset]] for column, values in row.records.items()}

    def table(self) -> pd.DataFrame:
        """One row a model, subset and metric; a failed model has one row with its reason.

        Ranks stand beside the metric that they come from.
        """
        ranked_by = self.shown.ranked_by
        found = [
            {"model": row.name, "subset": subset, "metric": metric, "score": e.score, "low": e.low, "high": e.high,
             "images": e.images, "groups": e.groups, "reason": None} | (_ranks(standing) if metric == ranked_by else {})
            for row in self.rows for subset, standing in row.standings.items() for metric, e in standing.scores.items()
        ]  # fmt: skip
        found += [{"model": result.run["model"]["name"], "reason": result.run["reason"]} for result in self.failures]
        columns = ["model", "subset", "metric", "score", "low", "high", "images", "groups", *_RANKS, "reason"]
        return pd.DataFrame(found, columns=columns).astype(dict.fromkeys(_RANKS, "Int64"))


def make_board(
    results: Sequence[Result],
    card: Card,
    *,
    metrics: Collection[str] | None = None,
    stratum_metrics: Collection[str] | None = None,
) -> Board:
    """Rank results of one data set, version, content and split.

    Parameters
    ----------
    metrics, stratum_metrics : what is estimated of the whole and its named subsets (all metrics of the task, where
        nothing is said), and of each stratum (those that are shown).

    Raises
    ------
    DataError : no results, or results that do not stand on the same data.
    """
    if not results:
        raise DataError(f"data set '{card.id}': no results to report; `zooscope run` makes some")
    on = {(r.run["dataset"]["digest"], r.run["dataset"]["split"]) for r in results}
    if len(on) > 1:
        raise DataError(f"results on {len(on)} different contents or splits of '{card.id}' cannot stand in one board")
    digest, split = next(iter(on))
    done = [result for result in results if not result.failed]
    stale = [r for r in done if r.run["records"] != RECORDS[card.task]]
    if stale:
        found = f"{stale[0].folder}: records are '{stale[0].run['records']}', not {RECORDS[card.task]}"
        raise DataError(f"{found}; `zooscope run` scores its stored label images again")
    shown, names = shown_on(card), _names(done)
    tables = [result.images.sort_index() for result in done]
    table = tables[0] if tables else pd.DataFrame()
    if any(list(other.index) != list(table.index) for other in tables):
        raise DataError(f"results of '{card.id}' do not hold the same images")
    everything = [_records(images) for images in tables]
    standings: list[dict[str, Standing]] = [{} for _ in done]
    subsets: list[Subset] = []
    for name, kind, rows in _subsets(table, card):
        bootstrap = GroupBootstrap(list(table["group"][rows]))
        subsets.append(Subset(name, kind, bootstrap.images, bootstrap.groups))
        records = [{column: values[rows] for column, values in images.items()} for images in everything]
        ranked = kind != "stratum"
        wanted = (metrics or metrics_of(card.task)) if ranked else (stratum_metrics or shown.metrics)
        found = _standings(bootstrap, records, wanted, shown.ranking if ranked else None)
        for mine, standing in zip(standings, found, strict=True):
            mine[name] = standing
    rows = [BoardRow(result, name, standing) for result, name, standing in zip(done, names, standings, strict=True)]
    rows.sort(key=lambda row: _place(row.standings["all"], shown))
    failures = sorted((r for r in results if r.failed), key=lambda result: result.run["model"]["name"])
    return Board(card, split, digest, subsets, rows, failures)


def _standings(
    bootstrap: GroupBootstrap, models: Sequence[Records], wanted: Collection[str], ranking: Metric | None
) -> list[Standing]:
    """Estimates of each model; with `ranking`, its rank and difference to the best by that metric too."""
    scores = [bootstrap.estimates([METRICS[name] for name in wanted], mine) for mine in models]
    if ranking is None:
        return [Standing(None, mine, None) for mine in scores]
    best = (max if ranking.higher_is_better else min)(models, key=ranking.reduce)
    behind = bootstrap.differences(ranking, models, best)
    return [
        Standing(
            rank.rank,
            mine,
            None if records is best else less,
            None if rank.low is None or rank.high is None else (rank.low, rank.high),
        )
        for rank, mine, less, records in zip(bootstrap.ranks(ranking, models), scores, behind, models, strict=True)
    ]


def _place(standing: Standing, shown: Shown) -> float:
    """What sorts the best first."""
    score = standing.scores[shown.ranked_by].score
    return math.inf if math.isnan(score) else -shown.sign * score


def _ranks(standing: Standing) -> dict[str, int | None]:
    low, high = standing.rank_interval or (None, None)
    return dict(zip(_RANKS, (standing.rank, low, high), strict=True))


def _subsets(table: pd.DataFrame, card: Card) -> list[tuple[str, str, NDArray[np.bool_]]]:
    """(name, kind, rows) of every subset that has images."""
    if table.empty:
        return []
    strata = table["stratum"]
    found: list[tuple[str, str, NDArray[np.bool_]]] = [("all", "all", np.ones(len(table), bool))]
    for name in card.subsets:
        found.append((name, "subset", np.array([name in card.subset_of(stratum) for stratum in strata])))
    if len(set(strata)) > 1:
        found += [(stratum, "stratum", np.asarray(strata == stratum)) for stratum in sorted(set(strata))]
    return [item for item in found if item[2].any()]


def _records(images: pd.DataFrame) -> Records:
    columns = images.drop(columns=["group", "stratum"])
    return dict(zip(map(str, columns.columns), columns.to_numpy(np.float64).T.copy(), strict=True))


def _names(results: Sequence[Result]) -> list[str]:
    """The model's name, with what tells its rows apart where there are several."""
    names = [str(result.run["model"]["name"]) for result in results]
    found: list[str] = []
    for name, result in zip(names, results, strict=True):
        protocol, extra = result.run["protocol"], ""
        if names.count(name) > 1:
            told = [protocol.get("weights"), protocol.get("device"), protocol.get("decoder"), result.run["key"][:4]]
            extra = f" ({', '.join(str(item) for item in told if item)})"
        found.append(name + extra)
    return found
