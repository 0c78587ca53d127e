"""A model's page: its card, its scores everywhere it ran, how each row came about, and how to repeat it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zooscope.report import facts, tables
from zooscope.report.site.markdown import as_html
from zooscope.report.site.summary import read_run
from zooscope.report.site.templates import write_page

Summary = Mapping[str, Any]


def pages_of(summaries: Sequence[Summary]) -> dict[str, list[tuple[Summary, Mapping[str, Any]]]]:
    """Every model's rows and failures with the benchmarks that they stand on, by the name of its page."""
    found: dict[str, list[tuple[Summary, Mapping[str, Any]]]] = {}
    for summary in summaries:
        for row in (*summary["rows"], *summary["failures"]):
            found.setdefault(row["page"], []).append((summary, row))
    return found


def write_model(site: Path, page: str, rows: Sequence[tuple[Summary, Mapping[str, Any]]]) -> None:
    """Write `<site>/models/<page>.html`."""
    entries = [_entry(summary, row, read_run(site, summary["name"], row["slug"])) for summary, row in rows]
    newest = max(entries, key=lambda entry: entry["run"]["created"])["run"]
    card = newest["model"].get("card")
    write_page(
        site / "models" / f"{page}.html",
        "model",
        root="../",
        model=newest["model"],
        run=newest,
        method=facts.method(newest),
        megabytes=facts.megabytes(newest),
        card=as_html(card) if card else None,
        entries=entries,
        mark=tables.MARK,
    )


def place(axis: Sequence[float], score: Sequence[float | None] | None) -> list[float]:
    """Where score, low and high lie on a bar, in percent of its width."""
    span = (axis[1] - axis[0]) or 1.0
    return [round(100 * (end - axis[0]) / span, 2) for end in score or () if end is not None]


def _entry(summary: Summary, row: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "row": row,
        "run": run,
        "place": place(summary["axis"], row.get("score")),
        "command": facts.command(run),
        "environment": _flat(run.get("environment", {})),
    }


def _flat(environment: Mapping[str, Any]) -> dict[str, str]:
    """The environment as one list of names and values."""
    told = {key: value for key, value in environment.items() if key not in ("versions", "dirty")}
    if environment.get("dirty"):
        told["commit"] = f"{told.get('commit', '')} (with changes that were not committed)"
    return {key: str(value) for key, value in (told | dict(environment.get("versions", {}))).items()}
