"""Probabilistic Noise2Void (Krull et al. 2020): restores images, having seen noisy ones and a model of their noise."""

from zooscope_zoo.pn2v.method import METHOD

__all__ = ["METHOD"]
