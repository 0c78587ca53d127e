"""DivNoising (Prakash et al. 2021): draws clean images that a noisy one may be of, by a variational autoencoder."""

from zooscope_zoo.divnoising.method import METHOD

__all__ = ["METHOD"]
