"""The prior means of a PN2V package as restored images of their own, for `zooscope score`.

usage: python tools/prior_images.py PACKAGE DATASET OUT [--split test]

A package of PN2V gives the image, in which the noise model has weighed the samples by what was observed, and behind it
what the network expected before (`prior_restored`). Writes OUT/<id>.npy of the latter, float32 (y, x).
"""

import argparse
from pathlib import Path

import numpy as np

import zooscope
from zooscope.data import load_dataset
from zooscope.progress import track


def write(package: str, dataset: str, out: Path, split: str) -> None:
    """Write the prior means."""
    model = zooscope.load_model(package)
    data = load_dataset(dataset).only(split)
    out.mkdir(parents=True, exist_ok=True)
    for sample in track(data, "prior means", len(data), show=True):
        maps = model.maps(sample.image)
        if len(maps) != 2:
            raise SystemExit(f"{package}: {len(maps)} maps; a package of PN2V for gray images gives two")
        np.save(out / f"{sample.id}.npy", maps[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package")
    parser.add_argument("dataset")
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", default="test")
    arguments = parser.parse_args()
    write(arguments.package, arguments.dataset, arguments.out, arguments.split)
