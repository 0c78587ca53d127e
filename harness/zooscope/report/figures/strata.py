"""The score that ranks in each stratum, a panel of bars each."""

import math

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zooscope.report.board import Board
from zooscope.report.figures.style import COLOURS, MARKERS, WIDE_IN, label, leading, new_figure

MOST = 6
COLUMNS = 4


def strata(board: Board) -> Figure | None:
    """The best models in each stratum, with intervals where there are enough groups; None without strata."""
    found = [subset for subset in board.subsets if subset.kind == "stratum"]
    rows = leading(board, "all", MOST)
    if not found or not rows:
        return None
    lines = math.ceil(len(found) / COLUMNS)
    figure = new_figure(WIDE_IN, 0.6 + lines * (0.65 + 0.12 * len(rows)))
    panels = figure.subplots(lines, COLUMNS, sharex=True, squeeze=False).ravel()
    for axes, subset in zip(panels, found, strict=False):
        for series, row in enumerate(rows):
            estimate = row.standings[subset.name].scores[board.shown.ranked_by]
            axes.barh(-series, estimate.score, height=0.72, color=COLOURS[series], alpha=0.85)
            axes.plot(estimate.score, -series, MARKERS[series], color="black", markersize=2.2)
            if estimate.low is not None and estimate.high is not None:
                axes.plot([estimate.low, estimate.high], [-series, -series], color="black", linewidth=0.8)
        groups = f"{subset.images} images, {subset.groups} groups"
        axes.set_title(f"{subset.name}\n{groups}", fontsize=6.5, loc="left")
        axes.set(yticks=[], xlim=(0, 1) if _within(board) else None)
        axes.grid(visible=True, axis="x")
    for axes in panels[len(found) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(found) - COLUMNS) : len(found)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(board.shown.ranking.label)
    handles = [
        Line2D([], [], color=COLOURS[n], marker=MARKERS[n], linewidth=5, markersize=2.2, markeredgecolor="black",
               markerfacecolor="black", label=label(row))
        for n, row in enumerate(rows)
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _within(board: Board) -> bool:
    """Whether all scores lie between 0 and 1."""
    return all(0 <= s.scores[board.shown.ranked_by].score <= 1 for row in board.rows for s in row.standings.values())
