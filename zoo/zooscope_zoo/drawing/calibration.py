"""Calibration: how often the truth lies in the middle of the draws, which it should as often as one of them would.

By the rank of the truth among the draws of its pixel (rank histograms, Hamill 2001,
doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2): where truth and n draws come from one distribution, each of the
n + 1 ranks is as probable as the others. A central interval of level L holds the middle share L of the ranks; a rank
that it holds in part counts in part, so that what is expected is L for every number of draws.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from zooscope.report.figures.style import COLOURS, STYLE, WIDE_IN, new_figure
from zooscope.stats import GroupBootstrap
from zooscope.stats.estimate import Estimate

LEVELS = (0.5, 0.8, 0.9)

Floats = NDArray[np.float64]


def ranks(draws: Sequence[NDArray[Any]], truth: NDArray[Any]) -> Floats:
    """The share of pixels whose truth has each rank, (n + 1,): that many of its n draws lie below it.

    Of a draw that equals the truth one half lies below; halves are rounded to even ranks.
    """
    below = np.zeros(truth.shape)
    for draw in draws:
        below += np.where(draw == truth, 0.5, draw < truth)
    counts = np.bincount(np.rint(below).astype(int).ravel(), minlength=len(draws) + 1)
    return counts / counts.sum()


def coverage(shares: Floats, level: float) -> Floats:
    """Share of pixels in the central interval of a level, (...), from shares of ranks (..., n + 1)."""
    edges = np.linspace(0, 1, shares.shape[-1] + 1)
    low, high = (1 - level) / 2, (1 + level) / 2
    held = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
    return shares @ (np.clip(held, 0, None) * shares.shape[-1])


@dataclass
class Calibration:
    """Ranks of images, all with the same number of draws.

    Attributes
    ----------
    groups : what each image was imaged together with.
    """

    groups: list[str] = field(default_factory=list)
    _shares: list[Floats] = field(default_factory=list)

    def add(self, draws: Sequence[NDArray[Any]], truth: NDArray[Any], *, group: str) -> None:
        """One more image: draws and truth of one shape."""
        self.groups.append(group)
        self._shares.append(ranks(draws, truth))

    @property
    def shares(self) -> Floats:
        """Of each rank, in each image (images, n + 1)."""
        return np.array(self._shares)

    def observed(self, levels: Sequence[float] = LEVELS) -> dict[float, Estimate]:
        """Coverage of each level, the mean over images, with an interval of resampled groups where they are enough.

        Levels beyond those that the draws span, (n - 1) / (n + 1), are left out.
        """
        count = self.shares.shape[-1]
        told = [level for level in levels if level <= (count - 2) / count + 1e-9]
        if not told:
            return {}
        each = np.array([coverage(self.shares, level) for level in told])
        found = GroupBootstrap(self.groups).rescored(
            lambda weights: dict(zip(map(str, told), each @ weights / weights.sum(), strict=True))
        )
        return {level: found[str(level)] for level in told}

    def as_json(self) -> dict[str, Any]:
        """Levels with what was observed, and the share of each rank over all images."""
        found = self.observed()
        return {
            "draws": self.shares.shape[-1] - 1,
            "images": len(self.groups),
            "groups": len(set(self.groups)),
            "central_intervals": [
                {"nominal": level, "observed": one.score, "low": one.low, "high": one.high}
                for level, one in found.items()
            ],
            "ranks": self.shares.mean(axis=0).round(6).tolist(),
        }

    def png(self, *, title: str = "") -> bytes:
        """Left what was observed over what is nominal, right the ranks."""
        mean, found = self.shares.mean(axis=0), self.observed()
        nominal = np.linspace(0, 1, 101)
        with mpl.rc_context(STYLE):
            figure = new_figure(WIDE_IN, 3.0)
            figure.suptitle(title, fontsize=8)
            left, right = figure.subplots(1, 2)
            left.plot([0, 1], [0, 1], color="black", linewidth=0.6, label="calibrated")
            left.plot(nominal, [coverage(mean, level) for level in nominal], color=COLOURS[0], label="mean of images")
            for level, one in found.items():
                ends = None if one.low is None or one.high is None else [[one.score - one.low], [one.high - one.score]]
                left.errorbar([level], [one.score], yerr=ends, fmt="o", color=COLOURS[1], capsize=2)
                left.annotate(f"{100 * one.score:.0f} %", (level, one.score), (4, -9), textcoords="offset points")
            left.set(xlabel="level of the central interval", ylabel="share of pixels whose truth it holds")
            left.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
            left.legend(loc="upper left")
            right.bar(np.arange(len(mean)), mean, width=1, color=COLOURS[0], edgecolor="white", linewidth=0.3)
            right.axhline(1 / len(mean), color="black", linewidth=0.6)
            right.xaxis.set_major_locator(MaxNLocator(integer=True))
            right.set(xlabel="draws below the truth", ylabel="share of pixels", xlim=(-0.5, len(mean) - 0.5))
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
        return buffer.getvalue()
