"""SplineDist (Mandal and Uhlmann 2021, doi:10.1109/ISBI48211.2021.9433928): object probability, and spline contours."""

from zooscope_zoo.splinedist.method import METHOD

__all__ = ["METHOD"]
