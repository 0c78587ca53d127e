"""How long a new user waits: the demo from an empty cache, the decoded data set, help, a run that has nothing to do."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from zooscope.data import Dataset, load_dataset

ZOOSCOPE = [sys.executable, "-c", "from zooscope.cli import main; main()"]


def seconds(words: list[str], cache: Path) -> float:
    begin = time.perf_counter()
    subprocess.run(
        [*ZOOSCOPE, *words], check=True, capture_output=True, env={**os.environ, "ZOOSCOPE_CACHE": str(cache)}
    )
    return time.perf_counter() - begin


def test_the_demo_takes_less_than_a_minute(tmp_path: Path, record: Callable[..., None]) -> None:
    first, again, help_s = seconds(["demo"], tmp_path), seconds(["demo"], tmp_path), seconds(["--help"], tmp_path)
    record("demo", demo_s=round(first, 2), demo_again_s=round(again, 2), help_s=round(help_s, 2), limit_s=60)
    assert first < 60


def test_the_decoded_data_set_loads_in_a_few_seconds(dsb2018: Dataset, record: Callable[..., None]) -> None:
    begin = time.perf_counter()
    count = sum(1 for _ in load_dataset("dsb2018"))
    took = time.perf_counter() - begin
    record("load-dsb2018", images=count, seconds=round(took, 2), limit_s=10)
    assert count == 664
    assert took < 10
