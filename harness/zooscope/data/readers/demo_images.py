"""The images of the embedded demo set without their masks, each as its own truth: what is degraded to be restored."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from zooscope.bundled import bundled
from zooscope.data.card import Card
from zooscope.data.folder import read_sample, read_table
from zooscope.sample import Sample


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Every image, in the demo set's own splits, groups and strata; needs no file."""
    folder = bundled("datasets") / "demo"
    table = read_table(folder)
    for id in map(str, table.index):
        sample = read_sample(folder, table, id)
        yield replace(sample, target=sample.image.values), str(table.loc[id, "split"])
