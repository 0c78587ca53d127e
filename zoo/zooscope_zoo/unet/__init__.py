"""U-Net (Ronneberger et al. 2015): foreground, and boundaries that tell touching objects apart."""

from zooscope_zoo.unet.method import METHOD

__all__ = ["METHOD"]
