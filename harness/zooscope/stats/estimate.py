"""Estimate: a score and how sure it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A score, its 95 % interval (None below ten groups), and what it rests on."""

    score: float
    low: float | None
    high: float | None
    images: int
    groups: int
