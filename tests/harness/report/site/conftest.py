"""The site of the demo's board."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def given(site: Path) -> Callable[[str], Any]:
    """The value that a data file gives to a page, by its key."""

    def read(key: str) -> Any:
        text = (site / "benchmarks" / f"{key}.js").read_text(encoding="utf-8")
        return json.loads(text.removeprefix(f'zs.put("{key}",').removesuffix(");\n"))

    return read
