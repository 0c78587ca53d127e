"""Scale: how values of a metric are written and what an axis of them spans."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zooscope.metrics.metric import Metric


@dataclass(frozen=True)
class Scale:
    """Digits after the point, and the unit."""

    digits: int
    unit: str = ""

    def write(self, value: float) -> str:
        """The number alone, for a column."""
        return f"{value:.{self.digits}f}"

    def say(self, value: float) -> str:
        """The number with its unit, for a sentence."""
        return f"{self.write(value)} {self.unit}" if self.unit else self.write(value)

    def name(self, label: str) -> str:
        """A label with the unit, for an axis or a column's head."""
        return f"{label} ({self.unit})" if self.unit else label


USUAL = Scale(3)
_OF_A_KIND: Mapping[str, Scale] = {"psnr": Scale(2, "dB"), "nrmse": Scale(4), "frc-resolution": Scale(2)}


def scale_of(metric: Metric) -> Scale:
    """The scale of a metric, by the first word of its name."""
    return _OF_A_KIND.get(metric.name.partition(".")[0], USUAL)


def axis_of(metric: Metric, values: Iterable[float | None]) -> list[float]:
    """Ends of an axis for these values.

    0 to 1 where all lie there and 1 is best; from 0 where none is below and 0 is best; else the round values around.
    """
    known = [value for value in values if value is not None and not math.isnan(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if metric.higher_is_better and low >= 0 and high <= 1:
        return [0.0, 1.0]
    if not metric.higher_is_better and low >= 0:
        low = 0.0
    step = _step(high - low or abs(high) or 1.0)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return [_rounded(first * step), _rounded(last * step)]


def _step(span: float) -> float:
    """1, 2 or 5 times a power of ten, of which four to ten fill the span."""
    power = 10.0 ** math.floor(math.log10(span / 4))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= span / 4 * (1 + 1e-9))


def _rounded(value: float) -> float:
    return float(f"{value:.9g}")
