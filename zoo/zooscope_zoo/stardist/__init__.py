"""StarDist 2D (Schmidt et al. 2018, doi:10.1007/978-3-030-00934-2_30): object probability and distances along rays."""

from zooscope_zoo.stardist.method import METHOD

__all__ = ["METHOD"]
