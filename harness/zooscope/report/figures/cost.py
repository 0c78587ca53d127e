"""Accuracy against speed or size, with the Pareto front."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from matplotlib.transforms import Bbox

from zooscope.report import facts
from zooscope.report.board import Board, BoardRow
from zooscope.report.figures.style import COLOURS, WIDE_IN, label, leading, new_figure
from zooscope.report.pareto import front
from zooscope.report.scale import scale_of

KINDS = {"package": "o", "baseline": "s", "labels": "D", "images": "D"}
NAMED = 30
_NEAR = 3
"""Pixels around a point that no name may cover."""

_PLACES = ((4, 4, "left", "bottom"), (4, -4, "left", "top"), (-4, 4, "right", "bottom"), (-4, -4, "right", "top"))


def speed(board: Board, subset: str) -> Figure | None:
    """Score against median seconds an image; None where no row tells them."""
    return _cost(board, subset, "seconds an image", lambda row: row.result.run["seconds_per_image"])


def size(board: Board, subset: str) -> Figure | None:
    """Score against megabytes of weights; a baseline's are 0."""
    return _cost(board, subset, "MB of weights", lambda row: facts.megabytes(row.result.run))


def _cost(board: Board, subset: str, name: str, cost_of: Callable[[BoardRow], float | None]) -> Figure | None:
    rows = [row for row in leading(board, subset, len(board.rows)) if cost_of(row) is not None]
    if not rows:
        return None
    metric = board.shown.ranking
    estimates = [row.standings[subset].scores[board.shown.ranked_by] for row in rows]
    costs = [float(cost_of(row) or 0.0) for row in rows]
    scores = [estimate.score for estimate in estimates]
    positive = [cost for cost in costs if cost > 0]
    nothing = min(positive, default=1.0) / 3
    places = [cost or nothing for cost in costs]
    best = front(costs, scores, higher_is_better=metric.higher_is_better)
    figure = new_figure(WIDE_IN * 0.6, 2.8)
    axes = figure.subplots()
    for place, estimate in zip(places, estimates, strict=True):
        if estimate.low is not None and estimate.high is not None:
            axes.plot([place, place], [estimate.low, estimate.high], color="#9aa5b0", linewidth=0.7, zorder=1)
    ends = [*(places[i] for i in best), max(places) * 1.5]
    steps = [scores[i] for i in best]
    axes.step(ends, [*steps, steps[-1]], where="post", color=COLOURS[0], linewidth=0.9, linestyle=(0, (4, 3)), zorder=2)
    for index, (row, place, score) in enumerate(zip(rows, places, scores, strict=True)):
        marker = KINDS.get(str(row.result.run["model"].get("kind")), "o")
        face = COLOURS[0] if index in best else "white"
        axes.plot(place, score, marker, markersize=4.5, markerfacecolor=face, markeredgecolor=COLOURS[0], zorder=3)
    low, high = min(places) / 1.5, max(places) * 1.5
    axes.set(xscale="log", xlabel=name, ylabel=scale_of(metric).name(metric.label), xlim=(low, high))
    ticks = [tick for tick in LogLocator(subs=(1, 2, 5)).tick_values(low, high) if low <= tick <= high]
    if 0.0 in costs:
        ticks = [nothing, *(tick for tick in ticks if tick > 1.5 * nothing)]
    axes.set_xticks(ticks, ["none" if 0.0 in costs and tick == nothing else f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(visible=True)
    order = [*best, *(index for index in range(len(rows)) if index not in best)][:NAMED]
    _name(axes, [(label(rows[index]), places[index], scores[index]) for index in order])
    return figure


def _name(axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Write names beside their points, where there is room for one."""
    figure = axes.figure
    figure.canvas.draw()
    taken = [
        Bbox.from_bounds(x - _NEAR, y - _NEAR, 2 * _NEAR, 2 * _NEAR)
        for x, y in axes.transData.transform([point[1:] for point in points])
    ]
    inside = axes.get_window_extent()
    for name, x, y in points:
        for dx, dy, ha, va in _PLACES:
            text = axes.annotate(
                name, (x, y), xytext=(dx, dy), textcoords="offset points", ha=ha, va=va, fontsize=6, zorder=4
            )
            box = text.get_window_extent()
            within = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
            if within and not np.any([box.overlaps(other) for other in taken]):
                taken.append(box)
                break
            text.remove()
