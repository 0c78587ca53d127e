import re

import pytest

from zooscope.report.site.names import slug


@pytest.mark.parametrize("name", ["broken <b>", "../etc/passwd", "Ünet v2", "a/b", "...", "A", "модель"])
def test_a_strange_name_becomes_a_file_name_of_its_own(name: str) -> None:
    found = slug(name)
    assert re.fullmatch(r"[a-z0-9._-]+", found)
    assert not found.startswith(".")
    assert found != slug(name + " ")


def test_a_plain_name_stays() -> None:
    assert slug("unet2d-nuclei_broad-v0.5") == "unet2d-nuclei_broad-v0.5"
