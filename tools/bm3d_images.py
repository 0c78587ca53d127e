"""Restore a split with BM3D (Dabov et al. 2007, doi:10.1109/TIP.2007.901238), for `zooscope score`.

usage: python tools/bm3d_images.py DATASET OUT [--split test]

Writes OUT/<id>.npy, float32. The standard deviation of the noise is taken from the data set's card; no other row
is told. Needs bm3d from PyPI, which is for non-commercial use and therefore no dependency: pip install bm3d
"""

import argparse
from pathlib import Path

import numpy as np
from bm3d import bm3d  # pyright: ignore[reportMissingImports]

from zooscope.data import load_dataset
from zooscope.data.noise import Gaussian
from zooscope.progress import track


def restore(dataset: str, out: Path, split: str) -> None:
    """Write the restored images."""
    data = load_dataset(dataset).only(split)
    noise = data.card.noise
    if not isinstance(noise, Gaussian):
        raise SystemExit(f"{dataset}: BM3D is made for white Gaussian noise, which this card does not add")
    out.mkdir(parents=True, exist_ok=True)
    for sample in track(data, "BM3D", len(data), show=True):
        restored = bm3d(sample.image.values.astype(np.float64), sigma_psd=noise.sigma)
        np.save(out / f"{sample.id}.npy", restored.astype(np.float32))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", default="test")
    arguments = parser.parse_args()
    restore(arguments.dataset, arguments.out, arguments.split)
