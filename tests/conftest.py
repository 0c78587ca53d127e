"""What every test may use: a cache of the session's own, the embedded demo set, and real data where a mirror has it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from zooscope import plugins
from zooscope.data import Dataset, load_dataset

if "PYTEST_XDIST_WORKER" in os.environ:
    # processes side by side, and those that they start, would only wait for each other's threads
    os.environ.setdefault("OMP_NUM_THREADS", "1")


class ByCost(LoadFileScheduling):
    """Keeps what shares costly fixtures in one of the parallel processes: a file, or a method's conformance.

    By node ids: pytest-xdist 3.8 does not see its own groups under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        path, _, test = nodeid.partition("::")
        given = test.partition("[")[2].removesuffix("]") + "-"
        methods = [name for name in plugins.names("methods") if given.startswith(name + "-")]
        return max(methods, key=len) if "conformance" in path and methods else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByCost:
    """In place of pytest-xdist's own."""
    return ByCost(config, log)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Path]:
    """The cache of this session: tests, and the processes that they start, never write into the user's.

    Processes that run tests side by side share it, as users' processes would: what one has made, the other finds.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOOSCOPE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of real sources; tests that need it are skipped without."""
    folder = os.environ.get("ZOOSCOPE_MIRROR", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("ZOOSCOPE_MIRROR names no folder of source files")
    return Path(folder)


@pytest.fixture(scope="session")
def demo() -> Dataset:
    """The embedded data set: thirteen images, ten gray and three coloured."""
    return load_dataset("demo")


@pytest.fixture(scope="session")
def dsb2018(mirror: Path, cache: Path) -> Dataset:
    """The whole data set, decoded from the mirror once a session (half a minute)."""
    if not any((mirror / "dsb2018").glob("*.zip")):
        pytest.skip(f"{mirror} holds no dsb2018/*.zip")
    return load_dataset("dsb2018", progress=False)
