"""The matrix of paired differences."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from zooscope.report.board import Board
from zooscope.report.figures.style import WIDE_IN, label, leading, new_figure
from zooscope.report.pairs import differences
from zooscope.report.scale import scale_of
from zooscope.stats import Estimate

MOST = 16
_COLOURS = LinearSegmentedColormap.from_list("worse-better", ["#d55e00", "#ffffff", "#0072b2"])


def pairs(board: Board, subset: str) -> Figure | None:
    """Score of the row less that of the column; bold with a sign where the paired interval leaves out 0."""
    rows = leading(board, subset, MOST)
    if len(rows) < 2:
        return None
    found = differences(board, subset, rows)
    values = np.array([[one.score if one else 0.0 for one in line] for line in found])
    sign, scale = board.shown.sign, scale_of(board.shown.ranking)
    digits = max(2, scale.digits - 1)
    most = max(float(np.nanmax(np.abs(values))), 10.0**-digits)
    figure = new_figure(min(WIDE_IN, 2.2 + 0.36 * len(rows)), 0.7 + 0.26 * len(rows))
    axes = figure.subplots()
    axes.imshow(sign * values, cmap=_COLOURS, vmin=-most, vmax=most, aspect="auto")
    for i, line in enumerate(found):
        for j, one in enumerate(line):
            if one is not None:
                sure = _surely(one)
                dark = "white" if abs(one.score) > 0.7 * most else "black"
                text = _short(one.score, digits) + (("", "▲", "▼")[sign * sure] if sure else "")
                weight = "bold" if sure else "normal"
                axes.text(j, i, text, ha="center", va="center", fontsize=5.5, color=dark, fontweight=weight)
    axes.set_yticks(range(len(rows)), [f"{label(row)}  {number}" for number, row in enumerate(rows, 1)])
    axes.set_xticks(range(len(rows)), [str(number) for number in range(1, len(rows) + 1)])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{scale.name(board.shown.ranking.label)}: row less column", fontsize=7, loc="left")
    return figure


def _short(value: float, digits: int) -> str:
    """So many digits with a sign, without the zero before the point."""
    if abs(value) < 0.5 * 10.0**-digits:
        return "0"
    return ("−" if value < 0 else "+") + f"{abs(value):.{digits}f}".removeprefix("0")


def _surely(one: Estimate) -> int:
    """1 where surely above 0, -1 where surely below, 0 where nobody knows."""
    if one.low is None or one.high is None:
        return 0
    return 1 if one.low > 0 else -1 if one.high < 0 else 0
