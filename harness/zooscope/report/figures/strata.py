"""The score that ranks in each stratum, a panel each: bars, or dots on an axis that does not begin at 0."""

import math

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zooscope.report.board import Board
from zooscope.report.figures.style import COLOURS, MARKERS, WIDE_IN, label, leading, new_figure
from zooscope.report.scale import axis_of, scale_of

MOST = 6
COLUMNS = 4


def strata(board: Board) -> Figure | None:
    """The best models in each stratum, with intervals where there are enough groups; None without strata."""
    found = [subset for subset in board.subsets if subset.kind == "stratum"]
    rows = leading(board, "all", MOST)
    if not found or not rows:
        return None
    axis, metric = _axis(board), board.shown.ranking
    lines = math.ceil(len(found) / COLUMNS)
    figure = new_figure(WIDE_IN, 0.6 + lines * (0.65 + 0.12 * len(rows)))
    panels = figure.subplots(lines, COLUMNS, sharex=True, squeeze=False).ravel()
    for axes, subset in zip(panels, found, strict=False):
        for series, row in enumerate(rows):
            estimate = row.standings[subset.name].scores[board.shown.ranked_by]
            if axis[0] == 0:
                axes.barh(-series, estimate.score, height=0.72, color=COLOURS[series], alpha=0.85)
                axes.plot(estimate.score, -series, MARKERS[series], color="black", markersize=2.2)
            else:
                axes.plot(estimate.score, -series, MARKERS[series], color=COLOURS[series], markersize=4.5)
            if estimate.low is not None and estimate.high is not None:
                axes.plot([estimate.low, estimate.high], [-series, -series], color="black", linewidth=0.8)
        groups = f"{subset.images} images, {subset.groups} groups"
        axes.set_title(f"{subset.name}\n{groups}", fontsize=6.5, loc="left")
        axes.set(yticks=[], xlim=axis, ylim=(0.6 - len(rows), 0.6))
        axes.grid(visible=True, axis="x")
    for axes in panels[len(found) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(found) - COLUMNS) : len(found)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(scale_of(metric).name(metric.label))
    handles = [
        Line2D([], [], color=COLOURS[n], marker=MARKERS[n], linewidth=5, markersize=2.2, markeredgecolor="black",
               markerfacecolor="black", label=label(row))
        for n, row in enumerate(rows)
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _axis(board: Board) -> list[float]:
    """Around all scores and their intervals."""
    found = [s.scores[board.shown.ranked_by] for row in board.rows for s in row.standings.values()]
    return axis_of(board.shown.ranking, (value for e in found for value in (e.score, e.low, e.high)))
