"""Noise2Noise (Lehtinen et al. 2018): restores images, having seen pairs of noisy ones."""

from zooscope_zoo.noise2noise.method import METHOD

__all__ = ["METHOD"]
