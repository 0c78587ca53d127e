"""What rdf.yaml takes from the data: licence, citations, links."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from zooscope_zoo.packaging.method_card import method_card
from zooscope_zoo.packaging.rdf import citations, licence_of, package_name
from zooscope_zoo.packaging.trained import read_run


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        (["CC0-1.0"], "BSD-3-Clause"),
        (["CC-BY-NC-4.0"], "CC-BY-NC-4.0"),
        (["CC0-1.0", "CC-BY-4.0"], "CC-BY-4.0"),
        (["CC-BY-NC-4.0", "CC-BY-4.0"], None),
        (["not stated"], None),
    ],
)
def test_weights_are_as_free_as_their_data(licences: list[str], expected: str | None, unet_run: Path):
    data: list[Mapping[str, str]] = [{"dataset": "x", "licence": licence} for licence in licences]
    assert licence_of(replace(read_run(unet_run), data=tuple(data))) == expected


def test_names_hold_only_letters_that_the_format_allows(unet_run: Path):
    trained = replace(read_run(unet_run), data=({"dataset": "my.data/set"},))
    assert package_name(trained, method_card(trained.method)) == "U-Net (my data set)"


def test_every_publication_of_the_data_is_cited(unet_run: Path):
    trained = replace(read_run(unet_run), data=({"dataset": "bsd68"}, {"dataset": "fmd"}))
    found = [item for item in citations(trained, method_card(trained.method)) if item.text.startswith("Training data")]
    assert [(item.text.split()[2], item.doi) for item in found] == [
        ("Martin", "10.1109/ICCV.2001.937655"),
        ("Zhang", "10.1109/TIP.2017.2662206"),
        ("Zhang", "10.48550/arXiv.1812.10366"),
    ]
