"""Walk docs/walkthrough.md as a new user would, from `pip install` on, and write how long each step took.

usage: python tools/walkthrough.py      (about ten minutes; writes reports/benchmarks/walkthrough.json)

The folder of twenty images is made of the demo set's ten gray ones, cut in halves. tests/zoo/test_walkthrough.py takes
the same walk with a shorter training.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from zooscope.atomic import write_text
from zooscope.data import Dataset, load_dataset
from zooscope.sample import Sample

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "walkthrough.md"
REPORT = ROOT / "reports" / "benchmarks" / "walkthrough.json"
INSTALL = "pip install ."


@dataclass(frozen=True)
class Step:
    """A block of the page: its first two words ("python" for the Python one), what it printed, and its seconds."""

    words: str
    said: str
    seconds: float


def blocks(language: str) -> list[str]:
    """The page's fenced blocks of a language ("" for those without), in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


def write_images(folder: Path, demo: Dataset) -> None:
    """`my-cells`, twenty images with masks, and `new`, two without, as the page's user has them."""
    gray = [sample for sample in demo if sample.axes == "yx"]
    for number, sample in enumerate(gray, start=1):
        half = sample.image.sizes["x"] // 2
        _write_pair(folder / "my-cells", f"field{number:02}-1", sample, slice(None, half))
        _write_pair(folder / "my-cells", f"field{number:02}-2", sample, slice(half, None))
    (folder / "new").mkdir()
    for number, sample in enumerate(gray[:2], start=1):
        tifffile.imwrite(folder / "new" / f"plate2-{number}.tif", np.rot90(sample.image.values))


def walk(folder: Path, python: Path, *, shorter: Callable[[str], str] = str) -> Iterator[Step]:
    """Every block after the installation, in `folder` with the environment of `python`; RuntimeError if one fails."""
    first, *commands = blocks("sh")
    if first != f"{INSTALL}\n":
        raise RuntimeError(f"{PAGE} begins with {first!r}, not with {INSTALL!r}")
    for block in commands:
        command = ["bash", "-euo", "pipefail", "-c", shorter(block)]
        yield _step(" ".join(block.split()[:2]), command, folder, python)
    (block,) = blocks("python")
    yield _step("python", [str(python), "-c", block], folder, python)


def _step(words: str, command: list[str], folder: Path, python: Path) -> Step:
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    begin = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path, "COLUMNS": "120"}, capture_output=True, text=True
    )
    if done.returncode or "Traceback" in done.stderr:
        raise RuntimeError(f"{command[-1]}\n{done.stdout}\n{done.stderr}")
    return Step(words, done.stdout, time.perf_counter() - begin)


def _write_pair(folder: Path, name: str, sample: Sample, columns: slice) -> None:
    """Some columns of a sample as an image and its mask, as other programs save them."""
    for kind, array in (("images", sample.image.values), ("masks", sample.target.astype(np.uint16))):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / kind / f"{name}.tif", array[:, columns])


def main() -> None:
    """Walk it in a fresh environment and a fresh cache."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["ZOOSCOPE_CACHE"] = str(folder / "cache")
        write_images(folder, load_dataset("demo"))
        python = folder / "environment" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", folder / "environment"], check=True)
        steps = [_step(INSTALL, ["bash", "-c", INSTALL], ROOT, python)]
        print(f"{INSTALL}: {steps[0].seconds:.0f} s")
        for step in walk(folder, python):
            print(f"{step.words}: {step.seconds:.0f} s\n{step.said}", flush=True)
            steps.append(step)
    machine = {"cores": os.cpu_count(), "platform": f"{platform.system()} {platform.machine()}"}
    seconds = {step.words: round(step.seconds) for step in steps}
    figures = {"machine": machine, "seconds": seconds, "minutes": round(sum(seconds.values()) / 60, 1)}
    write_text(REPORT, json.dumps(figures, indent=1) + "\n")
    print(f"{figures['minutes']} minutes in all; {REPORT}")


if __name__ == "__main__":
    main()
