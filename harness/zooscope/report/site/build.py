"""The whole site of a reports folder: benchmarks one by one, then the pages that lead to them."""

import shutil
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path

from zooscope import atomic
from zooscope.report.site.models import pages_of, place, write_model
from zooscope.report.site.summary import FILE, read_summaries
from zooscope.report.site.templates import write_page
from zooscope.report.tables import MARK

LEADERS = 3
"""So many models stand on the first page for each benchmark."""


def finish_site(site: Path, *, changed: Collection[str] | None = None) -> Path:
    """Write the first page, the models' pages and what all pages share; return the first page's path.

    Parameters
    ----------
    changed : names of the benchmarks that were written: only pages of their models are made anew; all by default.
    """
    summaries = read_summaries(site)
    _copy_static(site / "static")
    pages = pages_of(summaries)
    for page, rows in pages.items():
        if changed is None or any(summary["name"] in changed for summary, _ in rows):
            write_model(site, page, rows)
    for path in (site / "models").glob("*.html"):
        if path.stem not in pages:
            path.unlink()
    index = site / "index.html"
    marked = any(row["trained_on"] for summary in summaries for row in summary["rows"][:LEADERS])
    write_page(
        index,
        "index",
        root="",
        summaries=summaries,
        models=len(pages),
        leaders=LEADERS,
        place=place,
        mark=MARK,
        marked=marked,
    )
    return index


def forget_others(site: Path, kept: Collection[str]) -> None:
    """Remove benchmarks of which there are no results any more."""
    for path in site.glob(f"benchmarks/*/{FILE}"):
        if path.parent.name not in kept:
            shutil.rmtree(path.parent)


def _copy_static(folder: Path) -> None:
    """Styles and scripts, beside the pages."""
    for file in files("zooscope.report.site").joinpath("static").iterdir():
        atomic.write_bytes(folder / file.name, file.read_bytes())
