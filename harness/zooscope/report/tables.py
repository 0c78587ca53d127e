"""A leaderboard as Markdown, CSV and JSON, and as a table in the terminal."""

import json
import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pandas as pd
from rich.markup import escape
from rich.table import Table

from zooscope.metrics import METRICS, metrics_of
from zooscope.report.board import Board, BoardRow, Standing, Subset
from zooscope.report.detection import detection_rows, detection_scores, detection_table, detection_title
from zooscope.report.pairs import differences
from zooscope.report.scale import USUAL, Scale, scale_of
from zooscope.stats import INTERVAL, LEVEL, MIN_GROUPS, Estimate
from zooscope.store import Result

MARK = "†"
"""Beside a model that may have been trained on these very images."""


_OF_A_RUN = ("key", "params", "protocol", "trained_on", "seconds_per_image", "tuning")


def markdown(board: Board) -> str:
    """The whole leaderboard for a README or a pull request."""
    lines = [
        f"# {_cell(board.card.title)}",
        "",
        f"`{board.card.name}`, split {board.split}: {_rests_on(board.subsets[0]) if board.subsets else 'no rows'}. "
        f"Licence {board.card.licence}. Content `{board.digest[:12]}`.",
        "",
        f"Ranked by {board.shown.ranking.label} (`{board.shown.ranked_by}`); the rank is one more than the number of "
        f"models surely better, by a paired {LEVEL:.0%} interval; beside it stands the interval of the rank. Square "
        f"brackets: {LEVEL:.0%} interval from resampling groups ({INTERVAL}).",
    ]
    for subset in board.subsets:
        if subset.kind != "stratum":
            lines += ["", f"## {subset.name}: {_rests_on(subset)}", "", *_subset_table(board, subset)]
            lines += _detection_table(board, subset)
    strata = [subset for subset in board.subsets if subset.kind == "stratum"]
    if strata:
        lines += ["", f"## Strata: {_head(board.shown.ranked_by)}", "", *_strata_table(board, strata)]
    if board.failures:
        lines += ["", "## Not ranked", "", "| model | reason |", "|---|---|"]
        lines += [
            f"| {_cell(failed.run['model']['name'])} | {_cell(failed.run['reason'])} |" for failed in board.failures
        ]
    marked = [row for row in board.rows if row.result.run["trained_on"]]
    if marked:
        lines += ["", f"{MARK} may have been trained on these images:", ""]
        lines += [f"- {row.name}: {row.result.run['trained_on']}" for row in marked]
    lines += ["", "## How the rows were made", ""]
    lines += [f"- {row.name}: {how(row.result)}" for row in board.rows]
    lines += ["", "## Metrics", ""]
    lines += [f"- `{name}`: {METRICS[name].definition}" for name in board.shown.metrics]
    return "\n".join(lines) + "\n"


def json_text(board: Board) -> str:
    """Everything on the leaderboard, for scripts."""
    return json.dumps(plain(board), indent=1, sort_keys=True, allow_nan=False) + "\n"


def plain(board: Board) -> dict[str, Any]:
    """The leaderboard as JSON types; a score that does not exist (nothing to find, nothing found) is null."""

    def one(estimate: Estimate | None) -> dict[str, float | None] | None:
        if estimate is None:
            return None
        score = None if math.isnan(estimate.score) else estimate.score
        return {"score": score, "low": estimate.low, "high": estimate.high}

    rows = [
        {
            "model": row.name,
            **{key: row.result.run[key] for key in _OF_A_RUN},
            "about": {key: value for key, value in row.result.run["model"].items() if key != "card"},
            "standings": {
                name: {
                    "rank": s.rank,
                    "rank_interval": s.rank_interval,
                    "behind": one(s.behind),
                    "scores": {m: one(e) for m, e in s.scores.items()},
                    "detection": {m: one(e) for m, e in _detected(board, row, name).items()},
                }
                for name, s in row.standings.items()
            },
        }
        for row in board.rows
    ]
    return {
        "dataset": board.card.name,
        "split": board.split,
        "digest": board.digest,
        "ranked_by": board.shown.ranked_by,
        "interval": {"name": INTERVAL, "level": LEVEL},
        "subsets": [vars(subset) for subset in board.subsets],
        "metrics": {name: metric.definition for name, metric in metrics_of(board.card.task).items()},
        "rows": rows,
        "differences": {
            subset.name: [
                {"model": board.rows[i].name, "less": board.rows[j].name, **(one(less[i][j]) or {})}
                for i, j in combinations(range(len(board.rows)), 2)
            ]
            for subset in board.subsets
            if subset.kind != "stratum"
            for less in [differences(board, subset.name, board.rows)]
        },
        "failures": [{"model": f.run["model"]["name"], "reason": f.run["reason"]} for f in board.failures],
    }


def csv_text(board: Board) -> str:
    """One line a model, subset and metric."""
    table = pd.concat([board.table(), detection_table(board)], ignore_index=True)
    return table.to_csv(index=False, lineterminator="\n", float_format="%.6f")


def terminal(board: Board) -> Table:
    """The overall ranking for the terminal."""
    table = Table(title=f"{board.card.name}, {board.split}: {_rests_on(board.subsets[0]) if board.subsets else ''}")
    for column in ("rank", "model", *(_head(name) for name in board.shown.metrics[:3]), "s / image", "MB"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for row in board.rows:
        standing = row.standings["all"]
        scores = [_score(standing, name) for name in board.shown.metrics[:3]]
        table.add_row(place(standing), escape(_marked(row)), *scores, seconds(row.result), megabytes(row.result))
    return table


def footnotes(board: Board) -> list[str]:
    """What belongs under the table in the terminal: marks explained, failures with reasons."""
    lines = [f"{MARK} {row.name}: {row.result.run['trained_on']}" for row in board.rows if row.result.run["trained_on"]]
    return lines + [f"not ranked: {failed.run['model']['name']}: {failed.run['reason']}" for failed in board.failures]


def place(standing: Standing) -> str:
    """Rank and interval as "2 (1-4)"; the rank alone where groups are too few, or where it is the only one possible."""
    low, high = standing.rank_interval or (standing.rank, standing.rank)
    return f"{standing.rank}" if low == high else f"{standing.rank} ({low}-{high})"


def interval(estimate: Estimate, scale: Scale) -> str:
    """Score and interval as "0.674 [0.573, 0.761]"; the score alone where groups are too few."""
    if estimate.low is None or estimate.high is None:
        return scale.write(estimate.score)
    return f"{scale.write(estimate.score)} [{scale.write(estimate.low)}, {scale.write(estimate.high)}]"


def seconds(result: Result) -> str:
    """Median seconds an image, or a dash."""
    found = result.run["seconds_per_image"]
    return "-" if found is None else f"{found:.3f}"


def megabytes(result: Result) -> str:
    """Size of the weights, or a dash."""
    size = result.run["model"].get("size_bytes")
    return f"{size / 1e6:.1f}" if size else "-"


def how(result: Result) -> str:
    """One line: what ran, with which parameters, and where they come from."""
    run = result.run
    parts = [f"{run['protocol'][key]}" for key in ("weights", "device", "decoder") if key in run["protocol"]]
    values = ", ".join(f"{name} {value}" for name, value in sorted(run["params"].items()))
    if run["tuning"]:
        tuning = run["tuning"]
        parts.append(f"{values} (best {tuning['objective']} on {tuning['split']}: {tuning['score']:.3f})")
    elif values:
        parts.append(f"{values} (fixed)")
    return "; ".join(parts)


def _subset_table(board: Board, subset: Subset) -> list[str]:
    metrics = board.shown.metrics
    heads = [
        "rank",
        "model",
        *map(_head, metrics),
        "behind the best",
        "s / image",
        "MB",
        "licence",
    ]
    lines = [f"| {' | '.join(heads)} |", "|---|---|" + "---:|" * (len(heads) - 3) + "---|"]
    for row in board.best_first(subset.name):
        standing = row.standings[subset.name]
        cells = [place(standing), _cell(_marked(row)), *(_score(standing, name) for name in metrics)]
        behind = interval(standing.behind, scale_of(board.shown.ranking)) if standing.behind else ""
        cells += [behind, seconds(row.result), megabytes(row.result)]
        cells.append(_cell(row.result.run["model"].get("licence", "-")))
        lines.append(f"| {' | '.join(cells)} |")
    if subset.groups < MIN_GROUPS:
        lines += ["", f"No intervals: fewer than {MIN_GROUPS} groups."]
    return lines


def _detection_table(board: Board, subset: Subset) -> list[str]:
    """COCO's scores of masks, of the models that have them; those of boxes are in the CSV."""
    found = [one for one in detection_rows(board, subset.name) if one.kind == "mask"]
    if not found:
        return []
    columns = list(found[0].scores)
    lines = ["", f"### {detection_title(board)}, masks", "", f"| model | ranked by | {' | '.join(columns)} |"]
    lines.append("|---|---|" + "---:|" * len(columns))
    for one in found:
        scores = " | ".join(interval(one.scores[column], USUAL) for column in columns)
        lines.append(f"| {_cell(_marked(one.row))} | {one.score_source} | {scores} |")
    return lines


def _strata_table(board: Board, strata: list[Subset]) -> list[str]:
    lines = ["| stratum | images | groups | " + " | ".join(_cell(_marked(row)) for row in board.rows) + " |"]
    lines.append("|---|---:|---:|" + "---:|" * len(board.rows))
    for subset in strata:
        cells = [_score(row.standings[subset.name], board.shown.ranked_by) for row in board.rows]
        lines.append(f"| {subset.name} | {subset.images} | {subset.groups} | {' | '.join(cells)} |")
    return lines


def _detected(board: Board, row: BoardRow, subset: str) -> Mapping[str, Estimate]:
    """COCO's scores, on the whole and its named subsets."""
    ranked = {one.name for one in board.subsets if one.kind != "stratum"}
    return detection_scores(board, row, subset) if subset in ranked else {}


def _head(name: str) -> str:
    return scale_of(METRICS[name]).name(METRICS[name].label)


def _score(standing: Standing, name: str) -> str:
    return interval(standing.scores[name], scale_of(METRICS[name]))


def _cell(text: str) -> str:
    """Text that cannot end a Markdown cell."""
    return " ".join(text.split()).replace("|", "\\|")


def _rests_on(subset: Subset) -> str:
    return f"{subset.images} images in {subset.groups} groups"


def _marked(row: BoardRow) -> str:
    return f"{row.name} {MARK}" if row.result.run["trained_on"] else row.name
