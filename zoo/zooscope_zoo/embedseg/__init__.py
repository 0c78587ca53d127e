"""EmbedSeg 2D (Lalit et al. 2022, doi:10.1016/j.media.2022.102523): pixels point at their object's centre."""

from zooscope_zoo.embedseg.method import METHOD

__all__ = ["METHOD"]
