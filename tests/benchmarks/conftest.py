"""Benchmarks: `pytest tests/benchmarks`. Figures go to reports/benchmarks/, with the machine they were taken on."""

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "reports" / "benchmarks"


def pytest_xdist_auto_num_workers() -> int:
    """None beside each other: what is timed has the machine to itself."""
    return 0


@pytest.fixture
def record() -> Callable[..., None]:
    """Write figures of one benchmark: `record(name, figure=value, ...)`."""

    def write(name: str, **figures: object) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        machine = {"cores": os.cpu_count(), "platform": f"{platform.system()} {platform.machine()}"}
        text = json.dumps({"machine": machine, **figures}, indent=1, sort_keys=True)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")

    return write
