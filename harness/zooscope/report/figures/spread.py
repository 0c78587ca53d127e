"""The score of every image, a row of dots a model, with quartiles."""

from collections import Counter

import numpy as np
from matplotlib.figure import Figure

from zooscope.report.board import Board
from zooscope.report.figures.style import COLOURS, WIDE_IN, label, leading, new_figure
from zooscope.report.per_image import image_scores
from zooscope.report.scale import scale_of

MOST = 12
BINS = 130


def spread(board: Board) -> Figure | None:
    """Dots stacked where they would lie on each other; the line is from quartile to quartile, its dot the median."""
    rows = leading(board, "all", MOST)
    if not rows:
        return None
    metric = board.shown.ranking
    figure = new_figure(WIDE_IN, 0.7 + 0.42 * len(rows))
    axes = figure.subplots()
    scores = [image_scores(metric, board.records(row)) for row in rows]
    low, high = np.nanmin(scores), np.nanmax(scores)
    step = (high - low) / BINS or 1.0
    for place, values in enumerate(scores):
        known = np.sort(values[~np.isnan(values)])
        bins = np.round((known - low) / step).astype(int)
        tall = max(Counter(bins.tolist()).values(), default=1)
        level = np.array([rank for count in np.unique(bins, return_counts=True)[1] for rank in range(count)])
        heights = -place + level * min(0.075, 0.7 / tall)
        axes.plot(low + bins * step, heights, "o", color=COLOURS[0], markersize=1.7, markeredgewidth=0, alpha=0.85)
        first, middle, third = np.quantile(known, (0.25, 0.5, 0.75))
        axes.plot([first, third], [-place - 0.12] * 2, color=COLOURS[1], linewidth=1.6, solid_capstyle="butt")
        axes.plot(middle, -place - 0.12, "o", color="black", markersize=2.6)
    axes.set_yticks([-place for place in range(len(rows))], [label(row) for row in rows])
    axes.set(xlabel=scale_of(metric).name(f"{metric.label} of each image"), ylim=(-len(rows) + 0.6, 0.95))
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="y", length=0)
    return figure
