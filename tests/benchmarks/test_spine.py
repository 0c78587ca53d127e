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


def test_scoring_is_not_slower_than_stardists_matching(dsb2018: Dataset, record: Callable[..., None]) -> None:
    from stardist.matching import matching

    from zooscope.baselines import otsu_watershed
    from zooscope.metrics import measure
    from zooscope.metrics.matching import THRESHOLDS

    samples = [sample for sample in dsb2018.only("test") if sample.axes == "yx"][:40]
    found = [otsu_watershed(sample.image.values.astype("float32")) for sample in samples]
    begin = time.perf_counter()
    ours = [measure(labels, sample.target) for labels, sample in zip(found, samples, strict=True)]
    ours_s, begin = time.perf_counter() - begin, time.perf_counter()
    theirs = [
        [matching(sample.target, labels, thresh=percent / 100).tp for percent in THRESHOLDS]
        for labels, sample in zip(found, samples, strict=True)
    ]
    theirs_s = time.perf_counter() - begin
    assert [[record_[f"tp{percent}"] for percent in THRESHOLDS] for record_ in ours] == theirs
    record(
        "scoring",
        images=len(samples),
        ours_s=round(ours_s, 3),
        stardist_s=round(theirs_s, 3),
        ratio=round(theirs_s / ours_s, 1),
    )
    assert ours_s < theirs_s
