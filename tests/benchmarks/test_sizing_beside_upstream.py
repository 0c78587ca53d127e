"""Finding out the size of an image's objects, beside Cellpose's size model, with the same network.

    ZOOSCOPE_PEER_DECODERS=peer/bin/python pytest tests/benchmarks/test_sizing_beside_upstream.py

peers/decoders_upstream.py says how to make that environment. The network is untrained and sees no cells, so what is
timed are its passes, nearly all of the time: upstream's two at one scale, and all three of ours, its worst case.
"""

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zooscope.data import Dataset
from zooscope_zoo.cellpose.convert import convert

PEER = "ZOOSCOPE_PEER_DECODERS"

STRATA, EVERY = ("fluorescence-256x256", "fluorescence-360x360"), 16
"""Each so manieth of the test images."""

ROUNDS = 2
LIMIT = 1.0
"""Largest wanted ratio of our seconds to upstream's, over all images."""


def test_finding_the_size_of_objects_takes_no_longer_than_cellposes_size_model(
    peer: str, dsb2018: Dataset, tmp_path: Path, side: Callable[..., Any], record: Callable[..., None]
) -> None:
    shown = dsb2018.table.query(f"split == 'test' and stratum in {STRATA}").index[::EVERY]
    tests = [dsb2018[id].image.values for id in shown]
    np.savez(tmp_path / "data.npz", **{f"image_{number:02}": image for number, image in enumerate(tests)})
    upstream = side(peer, "cellpose_upstream.py", str(tmp_path / "data.npz"), str(tmp_path))
    package = convert(Path(upstream.ask("about")["checkpoint"]), tmp_path / "cells.zip")
    ours = side(sys.executable, "cellpose_ours.py", str(tmp_path / "data.npz"), str(package))
    about = ours.ask("about")
    seconds: dict[str, list[list[float]]] = {who: [[] for _ in tests] for who in ("ours", "upstream")}
    looks: list[int] = []
    for turn in range(ROUNDS + 1):
        for number in range(len(tests)):
            for who, one in [("ours", ours), ("upstream", upstream)][:: 1 if turn % 2 else -1]:
                answer = one.ask("size", number=number)
                if turn:  # the first round warms up
                    seconds[who][number].append(answer["seconds"])
                elif who == "ours":
                    looks.append(answer["looks"])
    medians = {who: [round(statistics.median(one), 3) for one in times] for who, times in seconds.items()}
    ratio = sum(medians["ours"]) / sum(medians["upstream"])
    record(
        "sizing-beside-upstream",
        seconds=medians,
        ratio=round(ratio, 3),
        limit=LIMIT,
        looks=looks,
        sizes=[list(image.shape) for image in tests],
        ours=about,
        upstream="cellpose 3.1.1.2, SizeModel.eval; the same untrained network on both sides, which sees no cells",
    )
    assert ratio <= LIMIT
