"""Our StarDist beside upstream's, in turn on the same images, each in a process of its own with all cores.

    ZOOSCOPE_PEER_STARDIST=peer/bin/python pytest tests/benchmarks/test_stardist_beside_upstream.py

peers/stardist_upstream.py says how to make that environment; upstream's model is trained into it once, for some
minutes. `ZOOSCOPE_BENCHMARK_STARDIST` names another of our models than the shipped one: an id or a package's path.
"""

import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zooscope.data import Dataset
from zooscope_zoo.training.images import normalise

PEER = "ZOOSCOPE_PEER_STARDIST"

ROUNDS = 7
TRAINING = {"warm_up": 5, "steps": 12}
LIMITS = {"step": 1.10, "step_with_data": 1.10, "predict": 1.0}
"""Largest wanted ratio of ours to upstream's."""


@pytest.fixture
def sides(peer: str, dsb2018: Dataset, tmp_path: Path, side: Callable[..., Any]) -> tuple[Any, Any]:
    """Ours and upstream's, with 60 training and 20 test images of DSB 2018, 256 x 256 in fluorescence."""
    train, test = (
        [dsb2018[id] for id in dsb2018.table.query(f"split == '{split}' and stratum == 'fluorescence-256x256'").index]
        for split in ("train", "test")
    )
    data = tmp_path / "data.npz"
    np.savez(
        data,
        train_images=np.stack([normalise(sample.image.values[None].astype("float32"))[0] for sample in train[:60]]),
        train_labels=np.stack([sample.target for sample in train[:60]]),
        test_images=np.stack([sample.image.values for sample in test[:20]]),
        test_labels=np.stack([sample.target for sample in test[:20]]),
    )
    model = os.environ.get("ZOOSCOPE_BENCHMARK_STARDIST", "stardist-dsb2018")
    folder = Path(peer).absolute().parents[1] / "zooscope-stardist-dsb2018"
    ours = side(sys.executable, "stardist_ours.py", str(data), model)
    ours.ask("about")  # a shipped model is built first, and upstream's trained: one after the other
    upstream = side(peer, "stardist_upstream.py", str(data), str(folder))
    upstream.ask("about")
    return ours, upstream


def test_stardist_is_as_fast_as_upstreams(sides: tuple[Any, Any], tmp_path: Path, record: Callable[..., None]) -> None:
    ours, upstream = sides
    maps = {"path": str(tmp_path / "maps.npz")}
    ours.ask("write_maps", **maps)
    verbs = {"step": TRAINING, "step_with_data": TRAINING, "network": {}, "predict": {}, "decode": maps}
    answers: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {verb: [] for verb in verbs}
    for number in range(ROUNDS + 1):
        for verb, arguments in verbs.items():
            turn = sides if number % 2 else sides[::-1]
            found = {side.name: side.ask(verb, **arguments) for side in turn}
            if number:  # the first round compiles
                answers[verb].append((found[ours.name], found[upstream.name]))

    ratios = {
        verb: statistics.median(mine["seconds"] / theirs["seconds"] for mine, theirs in pairs)
        for verb, pairs in answers.items()
    }
    with np.load(tmp_path / "data.npz") as data:
        true = sum(len(np.unique(labels)) - 1 for labels in data["test_labels"])
    objects = {
        verb: {who: sum(answers[verb][0][place]["objects"]) for place, who in enumerate(("ours", "upstream"))}
        for verb in ("predict", "decode")
    }
    record(
        "stardist-beside-upstream",
        ours=ours.ask("about"),
        upstream=upstream.ask("about"),
        seconds={
            verb: {
                "ours": [round(mine["seconds"], 4) for mine, _ in pairs],
                "upstream": [round(theirs["seconds"], 4) for _, theirs in pairs],
            }
            for verb, pairs in answers.items()
        },
        ratios={verb: round(ratio, 3) for verb, ratio in ratios.items()},
        limits=LIMITS,
        objects={**objects, "true": true},
        images=20,
        what={
            "step": "network, loss, backward, optimiser; four patches of 256x256 in memory; upstream without metrics",
            "step_with_data": "the same on fresh patches with each side's own augmentation; upstream with its metrics",
            "network": "one 256x256 image, NumPy to NumPy; upstream as one tf.function",
            "predict": "raw image to labels; upstream: csbdeep's normalize, then predict_instances",
            "decode": "suppression and painting of our maps, with our thresholds, by either side's code",
        },
    )
    assert objects["decode"]["ours"] == objects["decode"]["upstream"]
    assert {verb: ratio for verb, ratio in ratios.items() if ratio > LIMITS.get(verb, np.inf)} == {}
