"""A mosaic of real images, 20,000 px wide and high, through `zooscope predict`: peak memory, seconds, objects.

ZOOSCOPE_LARGE_PX makes it smaller while one works on it; then nothing is recorded.
"""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile

from zooscope.data import Dataset

ZOOSCOPE = [sys.executable, "-c", "from zooscope.cli import main; main()"]
FULL_PX = 20_000
LIMIT_BYTES = 2 * 2**30


@pytest.mark.timeout(4 * 3600)  # two busy cores took 600 s for a third of its tiles
def test_a_large_image_takes_less_than_two_gigabytes(
    tmp_path: Path, demo: Dataset, record: Callable[..., None]
) -> None:
    edge = int(os.environ.get("ZOOSCOPE_LARGE_PX", FULL_PX))
    write_mosaic(tmp_path / "mosaic.tif", demo, edge)
    idle, _ = peak_of(
        [*ZOOSCOPE, "predict", "nuclei-tiny", str(write_small(tmp_path, demo)), "-o", str(tmp_path / "small")]
    )
    begin = time.perf_counter()
    words = ["predict", "nuclei-tiny", str(tmp_path / "mosaic.tif"), "-o", str(tmp_path / "out"), "--device", "cpu"]
    peak, told = peak_of([*ZOOSCOPE, *words])
    seconds = time.perf_counter() - begin
    objects = int(re.findall(r"(\d+) objects", told)[-1])
    figures = {
        "model": "nuclei-tiny",
        "edge_px": edge,
        "seconds": round(seconds),
        "objects": objects,
        "peak_bytes": peak,
        "peak_of_a_small_image_bytes": idle,
        "limit_bytes": LIMIT_BYTES,
    }
    print(figures)
    if edge == FULL_PX:
        record("large-image", **figures)
    assert tifffile.TiffFile(tmp_path / "out" / "mosaic.tif").series[0].shape == (edge, edge)
    assert objects > 0
    assert peak < LIMIT_BYTES


def write_mosaic(path: Path, data: Dataset, edge: int) -> None:
    """The gray images of 256 x 256 px, side by side, each time another one in front."""
    gray = [sample.image.values for sample in data if sample.axes == "yx"]
    parts = [image[:256, :256] for image in gray if min(image.shape) >= 256]
    canvas = tifffile.memmap(path, shape=(edge, edge), dtype=np.uint8)
    for i, y in enumerate(range(0, edge, 256)):
        row = np.concatenate([parts[(i + j) % len(parts)] for j in range(-(-edge // 256))], axis=1)
        canvas[y : y + 256] = row[: min(256, edge - y), :edge]
    canvas.flush()


def write_small(folder: Path, data: Dataset) -> Path:
    path = folder / "small.tif"
    tifffile.imwrite(path, next(sample.image.values for sample in data if sample.axes == "yx"))
    return path


def peak_of(words: list[str]) -> tuple[int, str]:
    """The largest memory that a command and its children held, and what it printed."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            try:
                own = psutil.Process(process.pid)
                peak = max(peak, sum(item.memory_info().rss for item in [own, *own.children(recursive=True)]))
            except psutil.NoSuchProcess:
                return
            time.sleep(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    told = process.communicate()[0]
    watcher.join()
    assert process.returncode == 0, told
    return peak, told
