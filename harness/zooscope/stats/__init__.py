"""Uncertainty: what a score might have been on other groups of images; paired differences, ranks, trainings."""

from zooscope.stats.bootstrap import MIN_GROUPS, RESAMPLES, GroupBootstrap
from zooscope.stats.estimate import Estimate
from zooscope.stats.intervals import INTERVAL, INTERVALS, LEVEL, Resampled
from zooscope.stats.ranks import Rank, ranks_of
from zooscope.stats.trainings import Trainings

__all__ = [
    "INTERVAL",
    "INTERVALS",
    "LEVEL",
    "MIN_GROUPS",
    "RESAMPLES",
    "Estimate",
    "GroupBootstrap",
    "Rank",
    "Resampled",
    "Trainings",
    "ranks_of",
]
