"""DenoiSeg (Buchholz, Prakash et al. 2020): finds objects in noisy images with few labels, denoising beside it."""

from zooscope_zoo.denoiseg.method import METHOD

__all__ = ["METHOD"]
