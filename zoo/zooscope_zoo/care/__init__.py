"""CARE (Weigert et al. 2018): restores images, having seen pairs of bad and good ones."""

from zooscope_zoo.care.method import METHOD

__all__ = ["METHOD"]
