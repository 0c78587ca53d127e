"""Memory of this machine: how much of it a model's process may take."""

from collections.abc import Iterator
from pathlib import Path

import psutil

GIB = 2**30
SHARE = 0.75
"""Of the machine's memory, for a model's process: the rest is for zooscope itself and for others."""


def default_limit_gib() -> float:
    """What a model's process may take where nobody says: a share of what the machine, or our part of it, has."""
    return SHARE * min([psutil.virtual_memory().total, *_control_groups()]) / GIB


def _control_groups(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """Bytes that the control groups of this process allow (containers, cluster jobs); none where there is no limit.

    Kernel documentation, admin-guide/cgroup-v2 (memory.max, a number or "max") and cgroup-v1/memory.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers not in ("", "memory") and "memory" not in controllers.split(","):
            continue
        base, file = (root, "memory.max") if not controllers else (root / "memory", "memory.limit_in_bytes")
        folder = base / name.lstrip("/")
        for place in (folder, *folder.parents):
            if place.is_relative_to(base) and (text := _text(place / file)).isdecimal():
                yield int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
