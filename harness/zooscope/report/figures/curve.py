"""AP against the IoU threshold, a line a model."""

from matplotlib.figure import Figure

from zooscope.metrics import METRICS
from zooscope.metrics.matching import THRESHOLDS
from zooscope.report.board import Board
from zooscope.report.figures.style import COLOURS, DASHES, MARKERS, SERIES, WIDE_IN, label, leading, new_figure


def curve(board: Board, subset: str) -> Figure:
    """The best models' mean AP of images at each threshold."""
    figure = new_figure(WIDE_IN * 0.72, 2.7)
    axes = figure.subplots()
    for series, row in enumerate(leading(board, subset, SERIES)):
        records = board.records(row, subset)
        scores = [METRICS[f"ap{percent}.per-image@1"].reduce(records) for percent in THRESHOLDS]
        style = {"color": COLOURS[series], "marker": MARKERS[series], "linestyle": DASHES[series]}
        axes.plot([percent / 100 for percent in THRESHOLDS], scores, label=label(row), clip_on=False, zorder=3, **style)
    axes.set(xlabel="IoU threshold", ylabel="AP (mean of images)", ylim=(0, 1), xlim=(0.49, 0.96))
    axes.grid(visible=True)
    figure.legend(loc="outside right center", handlelength=3.2)
    return figure
