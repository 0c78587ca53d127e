"""The images of DSB 2018 without their masks, each as its own truth: what is degraded to be restored."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from zooscope.data.archive import open_zip
from zooscope.data.card import Card
from zooscope.data.readers.dsb2018 import decode, images_only
from zooscope.errors import DataError
from zooscope.sample import Sample, as_image


def read(card: Card, files: Mapping[str, Path]) -> Iterator[tuple[Sample, str]]:
    """Every image of the archive; the card's table says group, stratum and split."""
    for path in files.values():
        with open_zip(path) as archive:
            images = images_only(archive)
            if not images:
                raise DataError(f"{path}: holds no <id>/images/*.png")
            for id, member in sorted(images.items()):
                image = as_image(decode(archive, member), axes="yxc", source=f"{path}: {member}")
                yield Sample(id, image, image.values, group=id), ""
