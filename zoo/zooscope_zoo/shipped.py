"""Shipped models, for the entry points of `zooscope.models`."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import zooscope
from zooscope.bundled import bundled
from zooscope.cache import cache_folder, locked
from zooscope.sample import Task


@dataclass(frozen=True)
class Shipped:
    """A model that travels with zooscope: as weights, or as a whole package; called, it gives the package's path.

    Attributes
    ----------
    id : of a folder or a .zip in zoo/weights. summary : what it does, in one line.
    """

    id: str
    summary: str
    task: Task = Task.INSTANCE_SEGMENTATION

    def __call__(self) -> Path:
        """Path of the package, which is built when it is first asked for."""
        whole = bundled("weights") / f"{self.id}.zip"
        return whole if whole.is_file() else _built(self.id)


_RESTORES = Task.RESTORATION

CARE_BSD68 = Shipped("care-bsd68", "CARE for natural images under Gaussian noise of 25 of 255", _RESTORES)
N2N_BSD68 = Shipped("noise2noise-bsd68", "Noise2Noise for the same", _RESTORES)
N2V_BSD68 = Shipped("noise2void-bsd68", "Noise2Void for the same", _RESTORES)
N2V2_BSD68 = Shipped("n2v2-bsd68", "N2V2 for the same", _RESTORES)
N2N_FMD = Shipped("noise2noise-fmd", "Noise2Noise for confocal, two-photon and wide-field fluorescence", _RESTORES)
CARE_NOISY = Shipped("care-dsb2018-noisy", "CARE for nuclei at 5 to 20 photons", _RESTORES)
CARE_BLURRED = Shipped("care-dsb2018-blurred", "CARE for nuclei under a Gaussian blur of 2 px", _RESTORES)
RL_BLURRED = Shipped("richardson-lucy-dsb2018-blurred", "unrolled Richardson-Lucy for the same", _RESTORES)
CELLPOSE_DSB2018 = Shipped("cellpose-dsb2018", "Cellpose for nuclei in fluorescence microscopy, of any size")
EMBEDSEG_DSB2018 = Shipped("embedseg-dsb2018", "EmbedSeg for nuclei in fluorescence microscopy")
NUCLEI_TINY = Shipped("nuclei-tiny", "a very small U-Net for nuclei, made by tools/nuclei_tiny.py")
SPLINEDIST_DSB2018 = Shipped("splinedist-dsb2018", "SplineDist for nuclei in fluorescence microscopy")
STARDIST_DSB2018 = Shipped("stardist-dsb2018", "StarDist for nuclei in fluorescence microscopy")
UNET_DSB2018 = Shipped("unet-dsb2018", "U-Net with foreground and boundary for nuclei in fluorescence microscopy")
UNET_WATERSHED_DSB2018 = Shipped("unet-watershed-dsb2018", "U-Net with a learned watershed for the same")


def _built(id: str) -> Path:
    """The package of shipped weights, exported into the cache when first asked for; needs no network and no data."""
    folder = cache_folder("models", id)  # of its own: others can be built beside it
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
