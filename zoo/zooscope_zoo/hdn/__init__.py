"""Hierarchical DivNoising (Prakash et al. 2022): draws clean images that a noisy one may be of, by a ladder of latents."""

from zooscope_zoo.hdn.method import METHOD

__all__ = ["METHOD"]
