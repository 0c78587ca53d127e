"""Make a folder of zoo/weights from a run: half-precision weights, config, data digests, the decoder's parameters.

usage: python tools/ship_weights.py RUN ID [--tag nuclei ...]

The decoder is tuned and the figures of the model card are taken on the validation images of the run, whose data must be
there. Then add a line to zooscope_zoo/shipped.py and an entry point to the group zooscope.models.
"""

import argparse
from pathlib import Path

from zooscope.bundled import bundled
from zooscope_zoo.packaging.export import drafted
from zooscope_zoo.packaging.formats import make_formats
from zooscope_zoo.packaging.measured import measure_package
from zooscope_zoo.packaging.shipped_weights import ShippedWeights, write_shipped
from zooscope_zoo.packaging.trained import read_run


def ship(run: Path, id: str, tags: list[str]) -> Path:
    """Write the folder; return its path."""
    trained = read_run(run)
    with drafted(trained, make_formats(trained)) as draft:
        measured = measure_package(trained, draft, progress=True)
    print(measured.decoder, measured.params, measured.scores)
    curves = trained.curves
    minutes = None if curves is None else round(float(curves["seconds"].iloc[-1]) / 60, 1)
    folder = bundled("weights") / id
    shipped = ShippedWeights(measured=measured, tags=tuple(tags), authors=("the zooscope authors",), minutes=minutes)
    write_shipped(run, folder, shipped)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("id")
    parser.add_argument("--tag", action="append", default=[])
    arguments = parser.parse_args()
    print(ship(arguments.run, arguments.id, arguments.tag))
