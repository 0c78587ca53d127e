"""Draws of the clean images that a noisy one may be of, from networks that learned their distribution."""

from zooscope_zoo.drawing.moments import Moments
from zooscope_zoo.drawing.sampler import Sampler, open_sampler

__all__ = ["Moments", "Sampler", "open_sampler"]
