"""Hierarchical DivNoising (Prakash et al. 2022): draws the clean images that a noisy one may be of."""

from zooscope_zoo.hdn.method import METHOD

__all__ = ["METHOD"]
