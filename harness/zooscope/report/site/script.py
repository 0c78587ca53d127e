"""Data as scripts: pages opened from a file may not read JSON, but may load a script that hands its data over."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zooscope import atomic
from zooscope.report.board import Standing
from zooscope.stats import Estimate

DIGITS = 7
"""More than any page shows: what is rounded twice may end in another digit than the tables have."""


def write_script(folder: Path, key: str, value: Any) -> None:
    """Write `<folder>/<key>.js`, which gives `value` to the page under its key."""
    atomic.write_text(folder / f"{key}.js", script(key, value))


def script(key: str, value: Any) -> str:
    """The text of such a file."""
    told = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"zs.put({json.dumps(key, ensure_ascii=False)},{told});\n"


def number(value: float | None) -> float | None:
    """The number as a page is given it; None for what does not exist."""
    return None if value is None or math.isnan(value) else round(float(value), DIGITS)


def numbers(values: Iterable[float]) -> list[float | None]:
    """The same of each."""
    return [number(value) for value in values]


def limits(estimate: Estimate | None) -> list[float | None] | None:
    """Score, and low and high where there is an interval."""
    if estimate is None:
        return None
    if estimate.low is None:
        return [number(estimate.score)]
    return [number(estimate.score), number(estimate.low), number(estimate.high)]


def rank_of(standing: Standing) -> list[int] | None:
    """The rank; with its interval where that holds more than the rank."""
    if standing.rank is None:
        return None
    low, high = standing.rank_interval or (standing.rank, standing.rank)
    return [standing.rank] if low == high else [standing.rank, low, high]
