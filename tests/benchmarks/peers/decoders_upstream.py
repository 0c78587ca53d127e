"""Upstreams' side: what Cellpose, EmbedSeg, SplineDist and StarDist make of maps by their own code.

Needs cellpose 3.1, EmbedSeg 0.2.5, splinedist 0.1.2, stardist 0.9.2 and TensorFlow (of SplineDist). What they ask of
other packages excludes each other, so they go in without:

    python -m venv peer
    peer/bin/pip install tensorflow-cpu stardist torch numba scikit-image pandas matplotlib seaborn
    peer/bin/pip install --no-deps cellpose==3.1.1.2 EmbedSeg==0.2.5 splinedist==0.1.2
    peer/bin/pip install --no-deps fastremap roifile natsort fill-voids opencv-python-headless tifffile

See test_decoders_beside_upstream.py. Maps are read as our packages give them, and brought to upstream's units first.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from serve import best_seconds, serve

PIXEL = 1 / 1023
"""EmbedSeg's unit of length: its grid of 1024 pixels is one long."""


def cellpose(maps: Any, shape: Any, params: Any) -> Callable[[], Any]:
    from cellpose.dynamics import resize_and_compute_masks  # pyright: ignore[reportMissingImports]

    options = {"flow_threshold": params["flow_threshold"], "cellprob_threshold": params["cellprob_threshold"]}
    smallest = params["min_size_px"] or -1
    return lambda: resize_and_compute_masks(maps[:2], maps[2], min_size=smallest, **options)


def embedseg(maps: Any, shape: Any, params: Any) -> Callable[[], Any]:
    from utils.utils import Cluster  # pyright: ignore[reportMissingImports]  # the wheel has no package of its own

    seed, offsets, margins = np.clip(maps[0], 1e-7, 1 - 1e-7), maps[1:3][::-1], maps[3:5][::-1]
    away = np.arctanh(np.clip(offsets * PIXEL, -0.999, 0.999))
    sigma = np.log(np.log(2) / (np.maximum(margins, 0.01) * PIXEL) ** 2) / 10
    prediction = torch.from_numpy(np.concatenate([away, sigma, np.log(seed / (1 - seed))[None]]).astype(np.float32))
    cluster = Cluster(max(1024, shape[0]), max(1024, shape[1]), *(PIXEL * (max(1024, n) - 1) for n in shape), "cpu")
    options = {"seed_thresh": params["seed_threshold"], "fg_thresh": params["threshold"]}
    smallest = max(0, params["min_size_px"] - 1)  # objects are larger than this
    return lambda: cluster.cluster(prediction, min_object_size=smallest, **options).numpy()


def splinedist(maps: Any, shape: Any, params: Any) -> Callable[[], Any]:
    from splinedist.geometry.geom2d import polygons_to_label  # pyright: ignore[reportMissingImports]
    from splinedist.nms import non_maximum_suppression  # pyright: ignore[reportMissingImports]
    from splinedist.utils import phi_generator  # pyright: ignore[reportMissingImports]

    count, grid = (len(maps) - 1) // 2, tuple(round(n / m) for n, m in zip(shape, maps.shape[1:], strict=True))
    folder = tempfile.mkdtemp()
    phi_generator(count, 400, folder)
    start = np.stack(np.indices(maps.shape[1:]), axis=-1)[..., None] * np.array(grid)[:, None]
    points = np.stack([maps[1 : 1 + count], maps[1 + count :]], axis=-1).transpose(1, 2, 3, 0)
    coord = (points + start).astype(np.float32)
    limits = {"prob_thresh": params["prob_threshold"], "nms_thresh": params["nms_threshold"]}

    def run() -> Any:
        points = non_maximum_suppression(coord, maps[0], folder, grid=grid, **limits)
        return polygons_to_label(coord, maps[0], points, folder, shape=shape)

    return run


def stardist(maps: Any, shape: Any, params: Any) -> Callable[[], Any]:
    from stardist.geometry import polygons_to_label
    from stardist.nms import non_maximum_suppression

    grid = tuple(round(n / m) for n, m in zip(shape, maps.shape[1:], strict=True))
    rays = np.ascontiguousarray(np.moveaxis(maps[1:], 0, -1))
    limits = {
        "prob_thresh": params["prob_threshold"],
        "nms_thresh": params["nms_threshold"],
        "b": params.get("border_px", 2),
    }

    def run() -> Any:
        points, scores, distances = non_maximum_suppression(rays, maps[0], grid=grid, **limits)
        return polygons_to_label(distances, points, shape=shape, prob=scores)

    return run


METHODS = {"cellpose": cellpose, "embedseg": embedseg, "splinedist": splinedist, "stardist": stardist}


def decode(
    method: str, path: str, shape: list[int], params: dict[str, Any], out: str, round_s: float
) -> dict[str, Any]:
    """Seconds of the best of the decodings of one round; the labels go to `out`."""
    run = METHODS[method](np.load(path), tuple(shape), params)
    np.save(Path(out), np.asarray(run()).astype(np.int32))
    return {"seconds": best_seconds(run, round_s)}


if __name__ == "__main__":
    serve({"decode": decode})
