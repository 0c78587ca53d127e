"""Our decoders beside upstreams' own code on the same maps: how fast, and whether they find the same objects.

    ZOOSCOPE_PEER_DECODERS=peer/bin/python pytest tests/benchmarks/test_decoders_beside_upstream.py

peers/decoders_upstream.py says how to make that environment.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import relabel_sequential

import zooscope
from zooscope.data import Dataset
from zooscope.decode import cellpose_flows
from zooscope.metrics.overlap import Overlap

PEER = "ZOOSCOPE_PEER_DECODERS"

MODELS = {"embedseg": "embedseg-dsb2018", "splinedist": "splinedist-dsb2018", "stardist": "stardist-dsb2018"}
"""What gives the maps; Cellpose's are made of the true labels, with smooth noise."""

WANTED = {"cellpose": 1.0, "embedseg": 5.0, "splinedist": 1.0, "stardist": 1.0}
"""How many times as long as ours upstream should take; EmbedSeg's on the crowded image."""

SAME = ("cellpose", "embedseg")
"""Whose objects are to be upstream's: as many, those that are matched with a mean IoU of 0.99 or more."""

ROUNDS, ROUND_S = 3, 1.0
"""Either side decodes for so long in each round, at least once; the best of all counts."""


@pytest.fixture(scope="module")
def images(demo: Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Image and labels: the demo image with most nuclei, and 16 images side by side."""
    gray = [sample for sample in demo if sample.stratum == "fluorescence-256x256"]
    most = max(gray, key=lambda sample: int(sample.target.max()))
    many = [gray[number % len(gray)] for number in range(16)]
    numbered = [np.where(s.target > 0, s.target + 1000 * number, 0) for number, s in enumerate(many)]
    image, labels = (
        np.block([list(parts[row : row + 4]) for row in range(0, 16, 4)])
        for parts in ([s.image.values for s in many], numbered)
    )
    return {"one": (most.image.values, most.target), "crowd": (image, relabel_sequential(labels)[0].astype(np.int32))}


@pytest.mark.parametrize("method", WANTED)
def test_decoders_beside_upstreams(
    method: str,
    peer: str,
    images: dict[str, tuple[np.ndarray, np.ndarray]],
    side: Callable[..., Any],
    tmp_path: Path,
    record: Callable[..., None],
) -> None:
    ours, upstream = side(sys.executable, "decoders_ours.py"), side(peer, "decoders_upstream.py")
    told: dict[str, Any] = {}
    for name, (image, truth) in images.items():
        decoder, params, maps = _decoder_and_maps(method, image, truth)
        np.save(tmp_path / "maps.npy", maps)
        question = {"path": str(tmp_path / "maps.npy"), "shape": image.shape, "params": params, "round_s": ROUND_S}
        sides = {"ours": (ours, decoder), "upstream": (upstream, method)}
        seconds = dict.fromkeys(sides, np.inf)
        for _ in range(ROUNDS):
            for who, (one, asked) in sides.items():
                answer = one.ask("decode", method=asked, out=str(tmp_path / f"{who}.npy"), **question)
                seconds[who] = min(seconds[who], answer["seconds"])
        told[name] = {
            "shape": image.shape,
            "seconds": {who: round(taken, 4) for who, taken in seconds.items()},
            "ratio": round(seconds["upstream"] / seconds["ours"], 2),
            **agreement(*(np.load(tmp_path / f"{who}.npy") for who in sides)),
        }
    record(f"decoder-{method}-beside-upstream", maps=MODELS.get(method, "labels"), wanted=WANTED[method], **told)
    assert told["crowd"]["ratio"] >= WANTED[method]
    assert told["one"]["ratio"] >= 1
    if method in SAME:
        assert all(each["objects"]["ours"] == each["objects"]["upstream"] for each in told.values())
        assert all(each["mean_iou_of_matched"] >= 0.99 for each in told.values())


def _decoder_and_maps(method: str, image: np.ndarray, truth: np.ndarray) -> tuple[str, dict[str, Any], np.ndarray]:
    if method == "cellpose":
        noise = np.random.default_rng(0).normal(size=(3, *truth.shape))
        smooth = np.stack([ndimage.gaussian_filter(channel, 2) for channel in noise]) * 3.5
        flows = 5 * (cellpose_flows.flows_of_labels(truth) + 0.4 * smooth[:2])
        maps = np.concatenate([flows, np.where(truth > 0, 4, -4)[None] + smooth[2:]]).astype(np.float32)
        # Cellpose 3.1 takes small objects out by their places in a list from which others are gone already, and so
        # loses large ones: neither side takes any out
        return "cellpose-flows", {"cellprob_threshold": 0.0, "flow_threshold": 0.4, "min_size_px": 0}, maps
    model = zooscope.load_model(MODELS[method], device="cpu")
    choice = model.package.decoder
    assert choice is not None
    maps = model.predict(image, return_maps=True)[1]
    return choice.id, dict(choice.params), maps


def agreement(ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """How many objects either found, how many of them match (IoU > 0.5), and how well."""
    overlap = Overlap.of(ours, theirs)
    matched = overlap.iou[overlap.iou > 0.5]
    return {
        "objects": {"ours": len(overlap.predicted_area), "upstream": len(overlap.truth_area)},
        "matched": len(matched),
        "mean_iou_of_matched": round(float(matched.mean()), 4),
    }
