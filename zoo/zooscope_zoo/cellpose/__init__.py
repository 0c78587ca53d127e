"""Cellpose (Stringer et al. 2021, doi:10.1038/s41592-020-01018-x): flows that lead pixels to their object's centre."""

from zooscope_zoo.cellpose.method import METHOD

__all__ = ["METHOD"]
