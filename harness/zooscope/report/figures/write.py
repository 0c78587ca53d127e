"""All figures of a leaderboard."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from zooscope.report.board import Board
from zooscope.report.figures.cost import size, speed
from zooscope.report.figures.curve import curve
from zooscope.report.figures.pairs import pairs
from zooscope.report.figures.spread import spread
from zooscope.report.figures.strata import strata
from zooscope.report.figures.style import STYLE, save


def write_figures(board: Board, folder: Path) -> list[Path]:
    """Write each plot as PNG and SVG; return their paths.

    `ap-curve` (of objects alone), `speed`, `size` and `differences` of the whole split, and with `-<subset>` of its
    named subsets; `strata` and `images` once.
    """
    written: list[Path] = []
    with mpl.rc_context(STYLE):
        for name, figure in _figures(board):
            if figure is not None:
                written += save(figure, folder / name)
    return written


def _figures(board: Board) -> Iterator[tuple[str, Figure | None]]:
    if not board.rows:
        return
    for subset in board.subsets:
        if subset.kind != "stratum":
            suffix = "" if subset.kind == "all" else f"-{subset.name}"
            yield f"ap-curve{suffix}", curve(board, subset.name) if board.has_thresholds else None
            yield f"speed{suffix}", speed(board, subset.name)
            yield f"size{suffix}", size(board, subset.name)
            yield f"differences{suffix}", pairs(board, subset.name)
    yield "strata", strata(board)
    yield "images", spread(board)
