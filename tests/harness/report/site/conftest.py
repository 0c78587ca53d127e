"""What the sites give to their pages."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def given(site: Path) -> Callable[[str], Any]:
    """The value that a data file gives to a page, by its key."""
    return _reader(site)


@pytest.fixture(scope="session")
def restored_given(restored_site: Path) -> Callable[[str], Any]:
    """The same of the restoration site."""
    return _reader(restored_site)


def _reader(site: Path) -> Callable[[str], Any]:
    def read(key: str) -> Any:
        text = (site / "benchmarks" / f"{key}.js").read_text(encoding="utf-8")
        return json.loads(text.removeprefix(f'zs.put("{key}",').removesuffix(");\n"))

    return read
