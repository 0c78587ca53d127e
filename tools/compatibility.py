"""Test packages in environments without zooscope: other versions of core, fewer runtimes; write a table.

usage: python tools/compatibility.py PACKAGE... --python core0104/bin/python --python coreonnx/bin/python

PACKAGE is a .zip or a shipped model's id. Each environment has bioimageio.core and torch, onnxruntime or both; a format
is tested where its runtime is. Two tests each: core's own (`bioimageio test`, at its strictest), and whether core's
prediction pipeline gives the maps of the package's test output. Exit code 1 where a test fails.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zooscope import plugins
from zooscope.atomic import write_text
from zooscope.check import parity_limit

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports" / "compatibility.md"
PIPELINE = ROOT / "tests" / "conformance" / "without_zooscope.py"
RUNTIMES = {"pytorch_state_dict": "torch", "torchscript": "torch", "onnx": "onnxruntime"}
VERSIONS = """
import importlib.metadata as m, json
names = [d.metadata["Name"] for d in m.distributions()]
print(json.dumps({n: m.version(n) for n in ("bioimageio.core", "torch", "onnxruntime") if n in names}))
"""


@dataclass(frozen=True)
class Tried:
    """One weights format of a package in one environment; the largest absolute difference is None after a crash."""

    package: str
    environment: str
    format: str
    passes: bool
    difference: float | None
    allowed: float

    @property
    def fine(self) -> bool:
        """Whether both tests pass."""
        return self.passes and self.difference is not None and self.difference <= self.allowed

    def row(self) -> str:
        """Of the table."""
        difference = "crashed" if self.difference is None else f"{self.difference:.1e}"
        core = "passes" if self.passes else "**fails**"
        return f"| {self.package} | {self.environment} | {self.format} | {core} | {difference} | {self.allowed:.1e} |"


def try_in(python: Path, name: str) -> Iterator[Tried]:
    """Each weights format of a package (a path or a shipped model's id) that the environment can run."""
    package = plugins.load("models", name)() if name in plugins.names("models") else Path(name).absolute()
    versions: dict[str, str] = json.loads(run(python, "-c", VERSIONS).stdout)
    environment = ", ".join(f"{name} {version}" for name, version in versions.items())
    with zipfile.ZipFile(package) as archive:
        expected = np.load(io.BytesIO(archive.read("test_output.npy")))
    for weights, runtime in RUNTIMES.items():
        if runtime not in versions:
            continue
        command = [python.parent / "bioimageio", "test", package, "--weight-format", weights, "--determinism", "full"]
        tested = subprocess.run(command, capture_output=True, text=True)
        if tested.returncode:
            print(tested.stdout, tested.stderr, sep="\n", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            found = Path(folder) / "found.npz"
            predicted = run(python, str(PIPELINE), str(package), str(found), weights)
            difference = None
            if predicted.returncode:
                print(predicted.stderr, file=sys.stderr)
            else:
                difference = float(np.abs(np.load(found)[weights] - expected).max())
        yield Tried(Path(name).name, environment, weights, not tested.returncode, difference, parity_limit(expected))


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """An interpreter's answer, whatever its exit code."""
    return subprocess.run([python, *arguments], capture_output=True, text=True)


def report(tried: list[Tried]) -> str:
    """All of it as Markdown."""
    return (
        "# Packages in environments without zooscope\n\n"
        "Written by tools/compatibility.py. *core's test* is `bioimageio test --determinism full`; *difference* is the "
        "largest\nof the maps of core's prediction pipeline from the package's own test output.\n\n"
        "| package | environment | weights | core's test | difference | allowed |\n|---|---|---|---|---|---|\n"
        + "".join(f"{item.row()}\n" for item in tried)
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", nargs="+")
    parser.add_argument("--python", action="append", type=Path, required=True)
    arguments = parser.parse_args()
    tried = [
        item for name in arguments.package for python in arguments.python for item in try_in(python.absolute(), name)
    ]
    write_text(REPORT, report(tried))
    print(report(tried))
    sys.exit(not all(item.fine for item in tried))
