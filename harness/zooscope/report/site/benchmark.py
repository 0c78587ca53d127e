"""A benchmark's pages: the leaderboard with its plots, and what they are drawn from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zooscope.data.dataset import Dataset
from zooscope.data.truth import TRUTHS
from zooscope.metrics import METRICS
from zooscope.metrics.matching import THRESHOLDS
from zooscope.report import facts, tables
from zooscope.report.board import Board, BoardRow, Standing, Subset
from zooscope.report.detection import detection_rows, detection_title
from zooscope.report.leader import leader
from zooscope.report.pairs import AT_MOST, differences
from zooscope.report.per_image import image_scores
from zooscope.report.scale import USUAL, axis_of, scale_of
from zooscope.report.site.names import row_slug, slug
from zooscope.report.site.script import limits, number, numbers, rank_of, write_script
from zooscope.report.site.summary import write_summary
from zooscope.report.site.templates import write_page
from zooscope.report.site.views import find_view
from zooscope.stats import LEVEL, MIN_GROUPS

AT_FIRST = 3
"""So many of the shown metrics have a column before anybody asks for more."""


def write_benchmark(board: Board, site: Path, *, name: str, data: Dataset | None, progress: bool = False) -> Path:
    """Write the pages of one board into `<site>/benchmarks/<name>/`; return the path of its first page.

    Parameters
    ----------
    data : the split that the rows stand on; without it there are no pictures, and the page says how to get them.
    """
    home = site / "benchmarks"
    page = home / name / "index.html"
    view = find_view(board)
    shown = view.write(board, data, home, name=name, progress=progress) if view else None
    write_script(home, f"{name}/board", _board(board))
    write_script(home, f"{name}/pairs", {subset.name: _pairs(board, subset.name) for subset in _ranked_on(board)})
    write_script(home, f"{name}/images", {**_images(board), "shown": shown})
    about = {"board": board, "name": name, "why": None if shown else why_no_pictures(board, data)}
    verdict = leader(board, "all")
    marked = [row for row in board.rows if row.result.run["trained_on"]]
    metrics = [METRICS[metric] for metric in board.shown.metrics]
    write_page(
        page,
        "benchmark",
        root="../../",
        **about,
        verdict=verdict,
        marked=marked,
        mark=tables.MARK,
        metrics=metrics,
        level=f"{LEVEL:.0%}",
        min_groups=MIN_GROUPS,
        slug=slug,
        detection={subset.name: found for subset in _ranked_on(board) if (found := detection_rows(board, subset.name))},
        detection_title=detection_title(board) if board.has_thresholds else "",
        limits=limits,
        usual=USUAL,
    )
    if shown:
        write_page(page.with_name("image.html"), "image", root="../../", **about)
    else:
        page.with_name("image.html").unlink(missing_ok=True)
    write_summary(board, site, name=name, verdict=verdict, axis=_axis(board, board.shown.ranked_by), shown=shown)
    return page


def why_no_pictures(board: Board, data: Dataset | None) -> str:
    """Why there are none, and what would bring them."""
    if not board.card.publish_predictions:
        return "The licence of the data does not let predictions be published with results."
    if data is None and board.card.reader:
        return f"The data are not on this machine: zooscope fetch {board.card.id}, then zooscope report."
    if data is None:
        return "The data are not at hand: zooscope report --dataset FOLDER finds them."
    return f"No result here holds its {TRUTHS[board.card.task].word}s."


def _board(board: Board) -> Mapping[str, Any]:
    subsets, shown = [subset.name for subset in board.subsets], board.shown.metrics
    return {
        "title": board.card.title,
        "ranked_by": board.shown.ranked_by,
        "judged_by": board.shown.judged_by,
        "at_first": AT_FIRST,
        "level": LEVEL,
        "min_groups": MIN_GROUPS,
        "mark": tables.MARK,
        "metrics": [_metric(board, name) for name in board.shown.metrics],
        "subsets": [vars(subset) for subset in board.subsets],
        "models": [_model(row) for row in board.rows],
        "standings": {name: [_standing(row.standings[name], shown) for row in board.rows] for name in subsets},
        "curve": _curve(board) if board.has_thresholds else None,
        "verdicts": {subset.name: leader(board, subset.name) for subset in _ranked_on(board)},
    }


def _metric(board: Board, name: str) -> Mapping[str, Any]:
    metric, scale = METRICS[name], scale_of(METRICS[name])
    return {
        "name": name,
        "label": metric.label,
        "definition": metric.definition,
        "higher_is_better": metric.higher_is_better,
        "digits": scale.digits,
        "unit": scale.unit,
        "axis": _axis(board, name),
    }


def _model(row: BoardRow) -> Mapping[str, Any]:
    run = row.result.run
    return {
        "name": row.name,
        "title": run["model"].get("title", ""),
        "page": f"models/{slug(run['model']['name'])}.html",
        "row": row_slug(row.result),
        "kind": run["model"].get("kind", "package"),
        "method": facts.method(run),
        "weights": facts.weights(run),
        "licence": run["model"].get("licence"),
        "megabytes": number(facts.megabytes(run)),
        "seconds": number(run["seconds_per_image"]),
        "trained_on": run["trained_on"],
    }


def _standing(standing: Standing, metrics: Sequence[str]) -> Mapping[str, Any]:
    return {
        "rank": rank_of(standing),
        "scores": {name: limits(standing.scores[name]) for name in metrics if name in standing.scores},
        "behind": limits(standing.behind),
    }


def _curve(board: Board) -> Mapping[str, Any]:
    """IoU thresholds, and AP of each row at each of them, by subset."""
    found = {subset.name: _curves(board, subset.name) for subset in _ranked_on(board)}
    return {"thresholds": [percent / 100 for percent in THRESHOLDS], "scores": found}


def _curves(board: Board, subset: str) -> list[list[float | None]]:
    metrics = [METRICS[f"ap{percent}.per-image@1"] for percent in THRESHOLDS]
    records = [board.records(row, subset) for row in board.rows]
    return [numbers(metric.reduce(record) for metric in metrics) for record in records]


def _pairs(board: Board, subset: str) -> Mapping[str, Any]:
    """Differences between the best rows; `rows` holds their places on the board, cell j of line i < j is i less j."""
    rows = board.best_first(subset)[:AT_MOST]
    order = [board.rows.index(row) for row in rows]
    found = differences(board, subset, rows)
    return {"rows": order, "cells": [[limits(found[i][j]) for j in range(i)] for i in range(len(order))]}


def _images(board: Board) -> Mapping[str, Any]:
    """Score of every row on every image."""
    table = board.rows[0].result.images.sort_index() if board.rows else None
    records = [board.records(row) for row in board.rows]
    names = dict.fromkeys((board.shown.ranked_by, board.shown.judged_by))
    each = [(name, [image_scores(METRICS[name], record) for record in records]) for name in names]
    return {
        "ids": board.ids,
        "strata": [] if table is None else list(table["stratum"]),
        "groups": [] if table is None else list(table["group"]),
        "subsets": {name: members.nonzero()[0].tolist() for name, members in board.members.items()},
        "scores": {name: [numbers(row) for row in rows] for name, rows in each},
        "axes": {name: axis_of(METRICS[name], (float(v) for row in rows for v in row)) for name, rows in each},
    }


def _ranked_on(board: Board) -> Sequence[Subset]:
    return [subset for subset in board.subsets if subset.kind != "stratum"]


def _axis(board: Board, name: str) -> list[float]:
    """What the bars of a metric's scores span."""
    found = [e for row in board.rows for s in row.standings.values() if (e := s.scores.get(name))]
    return axis_of(METRICS[name], (value for e in found for value in (e.score, e.low, e.high)))
