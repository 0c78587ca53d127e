"""What a row was made with, so that it can be repeated: versions, machine, commit."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_TOLD = (
    "zooscope",
    "bioimageio.core",
    "torch",
    "onnxruntime-gpu",
    "onnxruntime",
    "numpy",
    "scipy",
    "scikit-image",
    "stardist",
)


def environment() -> dict[str, Any]:
    """Versions of what decides an answer, the processor, and the commit of a checkout with whether it is dirty."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {name: found for name in _TOLD if (found := _version(name))},
        **_commit(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> dict[str, Any]:
    """Commit of the checkout that this code lies in; nothing for an installed wheel."""
    here = Path(__file__).resolve().parent
    if not (here.parents[1] / ".git").exists():
        return {}
    try:
        commit = _git(here, "rev-parse", "HEAD")
        dirty = bool(_git(here, "status", "--porcelain", "--", ":/harness", ":/zoo", ":/datasets"))
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": commit, "dirty": dirty}


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip()
