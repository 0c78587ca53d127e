"""What every test may use: a cache of the session's own, the embedded demo set, and real data where a mirror has it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from zooscope.data import Dataset, load_dataset


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares costly fixtures in one of the parallel processes: a file, or a method's conformance."""
    for item in items:
        given = getattr(item, "callspec", None)
        method = given.params.get("method") if given else None
        item.add_marker(pytest.mark.xdist_group(str(method or item.path)))


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
