"""How long embedseg's clustering takes in a crowd beside the one that looks at the whole foreground at each step."""

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zooscope.data import Dataset
from zooscope.decode.embedseg import decode

SETTINGS = {"threshold": 0.5, "seed_threshold": 0.6, "min_size_px": 8, "min_unclustered": 0.5}


def test_a_crowd_is_decoded_five_times_faster_than_by_whole_images(demo: Dataset, record: Callable[..., None]) -> None:
    behaviour = _module(Path(__file__).parents[1] / "harness" / "decode" / "test_embedseg.py")
    crowd = max((sample for sample in demo if sample.axes == "yx"), key=lambda sample: int(sample.target.max())).target
    tiles = [np.where(crowd > 0, crowd + crowd.max() * number, 0) for number in range(4)]
    told: dict[str, Any] = {}
    for name, labels in {"crop": crowd, "four": np.block([tiles[:2], tiles[2:]]).astype(np.int32)}.items():
        maps = behaviour.maps_of(labels, error_px=2)
        ours = _seconds(lambda maps=maps, shape=labels.shape: decode(maps, shape, **SETTINGS), repeats=5)  # type: ignore[arg-type]
        naive = _seconds(lambda maps=maps: behaviour.naive(maps, **SETTINGS), repeats=2)
        told[name] = {
            "objects": int(labels.max()),
            "shape": labels.shape,
            "ours_s": round(ours, 4),
            "naive_s": round(naive, 4),
            "ratio": round(naive / ours, 1),
        }
    record("embedseg-decoder", **told)
    assert all(each["ratio"] >= 5 for each in told.values())


def _seconds(call: Callable[[], object], *, repeats: int) -> float:
    """The best of several."""
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
