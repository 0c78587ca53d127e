"""U-Net with a watershed on a learned distance: foreground, boundary, and how deep inside its object a pixel lies."""

from zooscope_zoo.unet_watershed.method import METHOD

__all__ = ["METHOD"]
