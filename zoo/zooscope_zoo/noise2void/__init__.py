"""Noise2Void (Krull et al. 2019), N2V2 and structN2V: restores images, having seen noisy ones alone."""

from zooscope_zoo.noise2void.method import METHOD

__all__ = ["METHOD"]
