"""Richardson-Lucy deconvolution as a network: classical, or with learned corrections between its steps."""

from zooscope_zoo.richardson_lucy.method import METHOD

__all__ = ["METHOD"]
