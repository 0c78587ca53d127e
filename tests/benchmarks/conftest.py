"""Benchmarks: `pytest tests/benchmarks`. Figures go to reports/benchmarks/, with the machine they were taken on."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "reports" / "benchmarks"
PEERS = Path(__file__).parent / "peers"


class Side:
    """A script of peers/, running and waiting to be asked."""

    def __init__(self, python: str, script: str, *arguments: str, log: Path) -> None:
        self.name, self._log = script, log
        cores = str(os.cpu_count())
        env = {**os.environ, "OMP_NUM_THREADS": cores, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
        with log.open("w") as stderr:
            self._process = subprocess.Popen(
                [python, str(PEERS / script), *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=env, text=True,
            )  # fmt: skip

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """What the side answers; the test fails with its last words if it does not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps({"verb": verb, **arguments}), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())
        except (OSError, json.JSONDecodeError):
            pytest.fail(f"{self.name} ended at '{verb}':\n{self._log.read_text(errors='replace')[-3000:]}")

    def end(self) -> None:
        """Wait until it is gone."""
        self._process.communicate(timeout=60)


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


@pytest.fixture
def side(tmp_path: Path) -> Iterator[Callable[..., Side]]:
    """Starts a script of peers/: `side(python, script, *arguments)`."""
    begun: list[Side] = []

    def start(python: str, script: str, *arguments: str) -> Side:
        begun.append(Side(python, script, *arguments, log=tmp_path / f"{script}.log"))
        return begun[-1]

    yield start
    for one in begun:
        one.end()


@pytest.fixture(scope="module")
def peer(request: pytest.FixtureRequest) -> str:
    """The python of upstream's environment, which the variable that the module calls PEER names."""
    python = os.environ.get(request.module.PEER, "")
    if not Path(python).is_file():
        pytest.skip(
            f"{request.module.PEER}={python}: no python of upstream's; its script in peers/ says how to make one"
        )
    return python
