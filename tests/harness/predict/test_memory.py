"""How much memory a model may take: a share of the machine's, or of the part that its control group gives."""

from pathlib import Path

import psutil
import pytest

from zooscope.predict import memory


def test_the_default_is_a_share_of_the_machine_or_less():
    assert 0 < memory.default_limit_gib() <= memory.SHARE * psutil.virtual_memory().total / memory.GIB


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/job/step\n", {"memory.max": "max", "job/memory.max": "4096\n", "job/step/memory.max": "max\n"}, [4096]),
        ("0::/\n", {"memory.max": "8192\n"}, [8192]),
        ("3:cpu,cpuacct:/a\n5:memory:/a\n", {"memory/a/memory.limit_in_bytes": "512", "a/memory.max": "1"}, [512]),
        ("0::/gone\n", {}, []),
    ],
    ids=["a job's", "a container's", "version 1", "none"],
)
def test_limits_of_control_groups_are_found(tmp_path: Path, own: str, files: dict[str, str], expected: list[int]):
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert list(memory._control_groups(tmp_path, tmp_path / "own")) == expected


def test_a_system_without_control_groups_sets_no_limit(tmp_path: Path):
    assert list(memory._control_groups(tmp_path, tmp_path / "nowhere")) == []
