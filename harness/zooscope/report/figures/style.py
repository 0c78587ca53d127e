"""What the figures share: size, fonts, colours of Okabe and Ito with a marker and a dash each, files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from zooscope.report.board import Board, BoardRow
from zooscope.report.tables import MARK

WIDTH_IN = 3.5
"""One column of a journal's page; two of them with what lies between are 7.2."""

WIDE_IN = 7.2

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a7d00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (1.5, 2)),
    (0, (6, 2, 1.5, 2)),
    (0, (8, 3)),
    (0, (3, 3)),
    (0, (1, 3)),
    "-.",
)
SERIES = len(COLOURS)

STYLE: dict[Any, Any] = {
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.linewidth": 0.4,
    "grid.color": "#d8dde2",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "zooscope",
}
"""Matplotlib's settings; text in an SVG stays text, and the same board gives the same file."""

DPI = 400


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure whose parts find their place by themselves."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def save(figure: Figure, path: Path) -> list[Path]:
    """Write `<path>.png` and `<path>.svg`, without the date, so that they change with their content alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    png, svg = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.svg")
    figure.savefig(png, dpi=DPI, metadata={"Software": None})
    figure.savefig(svg, metadata={"Date": None, "Creator": None})
    return [png, svg]


def leading(board: Board, subset: str, most: int) -> Sequence[BoardRow]:
    """The best rows on a subset."""
    return board.best_first(subset)[:most]


def label(row: BoardRow) -> str:
    """A row's name, with its mark."""
    return f"{row.name} {MARK}" if row.result.run["trained_on"] else row.name
