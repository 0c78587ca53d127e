"""Direct Denoiser (Salmon and Krull 2023): one network's answer in place of the mean of many draws."""

from zooscope_zoo.direct_denoiser.method import METHOD

__all__ = ["METHOD"]
