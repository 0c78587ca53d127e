"""Shipped models: id -> path of the package, for the entry points of `zooscope.models`."""

from pathlib import Path

from zooscope.bundled import bundled


def nuclei_tiny() -> Path:
    """A very small U-Net for nuclei, made by tools/nuclei_tiny.py."""
    return bundled("weights") / "nuclei-tiny.zip"
