"""zooscope: train, package and rank the deep-learning methods of microscopy."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zooscope.data.dataset import Dataset, load_dataset
    from zooscope.model import load_model
    from zooscope.rows import evaluate
    from zooscope.sample import Sample, Task

__all__ = ["Dataset", "Sample", "Task", "evaluate", "load_dataset", "load_model"]

_HOME = {
    "Dataset": "zooscope.data.dataset",
    "Sample": "zooscope.sample",
    "Task": "zooscope.sample",
    "evaluate": "zooscope.rows",
    "load_dataset": "zooscope.data.dataset",
    "load_model": "zooscope.model",
}


def __getattr__(name: str) -> Any:
    """Import public names when first used, so that `zooscope --help` need not wait for torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'zooscope' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)
