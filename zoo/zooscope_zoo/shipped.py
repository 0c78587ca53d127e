"""Shipped models: id -> path of the package, for the entry points of `zooscope.models`."""

import hashlib
import sys
from pathlib import Path

import zooscope
from zooscope.bundled import bundled
from zooscope.cache import cache_folder, locked


def nuclei_tiny() -> Path:
    """A very small U-Net for nuclei, made by tools/nuclei_tiny.py."""
    return bundled("weights") / "nuclei-tiny.zip"


def stardist_dsb2018() -> Path:
    """StarDist for nuclei in fluorescence microscopy, one channel."""
    return _built("stardist-dsb2018")


def unet_dsb2018() -> Path:
    """U-Net with foreground and boundary for nuclei in fluorescence microscopy, one channel."""
    return _built("unet-dsb2018")


def _built(id: str) -> Path:
    """The package of shipped weights, exported into the cache when first asked for; needs no network and no data."""
    folder = cache_folder("models")
    path = folder / f"{id}-{_version(id)}.zip"
    if path.is_file():
        return path
    with locked(folder):
        if not path.is_file():
            from zooscope_zoo.packaging.export import export

            print(f"building the package of {id}, once ...", file=sys.stderr)
            export(id, path)
    return path


def _version(id: str) -> str:
    """Changes with the weights, with zooscope's own code and with torch, which writes the derived formats."""
    import torch

    code = [Path(zooscope.__file__).parent, Path(__file__).parent]
    files = [path for root in code for path in root.rglob("*") if path.suffix in (".py", ".md", ".toml")]
    files += (bundled("weights") / id).iterdir()
    digest = hashlib.sha256(torch.__version__.encode())
    for path in sorted(files):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]
