"""The installed command: a network that crashes ends it with one line, and all else is as the command line says."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from zooscope import apart

SCRIPT = "from zooscope.apart import main; main()"


def zooscope(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", SCRIPT, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    return path


def test_a_network_that_crashes_ends_predict_with_one_line(
    make_package: Callable[..., Path], image: Path, tmp_path: Path
):
    done = zooscope("predict", make_package("segfault"), image, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if line.startswith("zooscope: ")] == [
        "zooscope: predict: its process died (signal SIGSEGV); `zooscope check PACKAGE` tests a package step by step"
    ]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out/*"))


def test_what_predict_says_and_its_exit_code_come_through(image: Path, tmp_path: Path):
    done = zooscope("predict", tmp_path / "nowhere.zip", image, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith(f"zooscope: model '{tmp_path / 'nowhere.zip'}' does not exist")
    assert "Usage: zooscope predict" in zooscope("predict", "--help").stdout


def test_other_verbs_start_no_second_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["zooscope", "--version"])
    monkeypatch.setattr(apart, "run_apart", None)
    with pytest.raises(SystemExit) as end:
        apart.main()
    assert end.value.code == 0
