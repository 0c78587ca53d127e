"""What a benchmark tells the pages above it, in files of its own, so that no other benchmark is made anew for them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zooscope import atomic
from zooscope.metrics import METRICS
from zooscope.report.board import Board, BoardRow
from zooscope.report.per_image import best_median_worst, image_scores
from zooscope.report.scale import scale_of
from zooscope.report.site.names import row_slug, slug
from zooscope.report.site.script import limits, number, rank_of
from zooscope.store import Result

FILE, RUNS = "summary.json", "runs"


def write_summary(
    board: Board, site: Path, *, name: str, verdict: str, axis: Sequence[float], shown: Mapping[str, Any] | None
) -> None:
    """Write `summary.json` and the records of all rows, `runs/<row>.json`, into `<site>/benchmarks/<name>/`.

    Parameters
    ----------
    shown : what the view of its images tells.
    """
    home = site / "benchmarks" / name
    with atomic.new_folder(home / RUNS) as building:
        for result in (*(row.result for row in board.rows), *board.failures):
            text = json.dumps(result.run, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            (building / f"{row_slug(result)}.json").write_text(text, encoding="utf-8")
    subset = board.subsets[0] if board.subsets else None
    rows = [_row(board, place, shown) for place in range(len(board.rows))]
    told = {
        "name": name,
        "title": board.card.title,
        "description": " ".join(board.card.description.split()),
        "task": board.card.task.replace("-", " "),
        "split": board.split,
        "licence": board.card.licence,
        "images": subset.images if subset else 0,
        "groups": subset.groups if subset else 0,
        "metric": board.shown.ranking.label,
        "digits": scale_of(board.shown.ranking).digits,
        "unit": scale_of(board.shown.ranking).unit,
        "axis": axis,
        "verdict": verdict,
        "rows": rows,
        "failures": [_named(result) | {"reason": result.run["reason"]} for result in board.failures],
    }
    atomic.write_text(home / FILE, json.dumps(told, ensure_ascii=False) + "\n")


def read_summaries(site: Path) -> list[Mapping[str, Any]]:
    """All benchmarks of a site, those with most images first."""
    unwritten = {"digits": 3, "unit": ""}  # in sites that began before scores had them
    found = [unwritten | json.loads(path.read_text(encoding="utf-8")) for path in site.glob(f"benchmarks/*/{FILE}")]
    return sorted(found, key=lambda summary: (-summary["images"], summary["name"]))


def _row(board: Board, place: int, shown: Mapping[str, Any] | None) -> dict[str, Any]:
    row = board.rows[place]
    standing, run = row.standings["all"], row.result.run
    return _named(row.result) | {
        "row": row.name,
        "rank": rank_of(standing),
        "score": limits(standing.scores[board.shown.ranked_by]),
        "seconds": run["seconds_per_image"],
        "trained_on": run["trained_on"],
        "shots": _shots(board, row, shown, shown["rows"][place]) if shown and shown["rows"][place] else [],
    }


def _shots(board: Board, row: BoardRow, shown: Mapping[str, Any], folder: str) -> list[dict[str, Any]]:
    """Best, median and worst image, with what draws them."""
    metric = METRICS[board.shown.judged_by]
    scores = image_scores(metric, board.records(row))
    scale = scale_of(metric)
    where = {"view": shown["view"], "pictures": shown["pictures"], "folder": folder}
    where |= {"metric": metric.label, "digits": scale.digits, "unit": scale.unit}
    return [
        where | {"word": word, "id": board.ids[index], "score": number(float(scores[index]))}
        for word, index in best_median_worst(scores, higher_is_better=metric.higher_is_better).items()
    ]


def read_run(site: Path, name: str, slug: str) -> Mapping[str, Any]:
    """The record of a row."""
    return json.loads((site / "benchmarks" / name / RUNS / f"{slug}.json").read_text(encoding="utf-8"))


def _named(result: Result) -> dict[str, Any]:
    """What it is called in addresses."""
    return {"model": result.run["model"]["name"], "page": slug(result.run["model"]["name"]), "slug": row_slug(result)}
