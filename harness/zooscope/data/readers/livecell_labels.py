"""LIVECell as label images, as those compare on it whose answers are label images."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from zooscope.data.card import Card
from zooscope.data.readers.livecell import read_labels
from zooscope.sample import Sample

LEAST_PX = 50


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Larger objects first, smaller ones over them; what has fewer than 50 pixels then is taken out."""
    yield from read_labels(card, files, least_px=LEAST_PX)
