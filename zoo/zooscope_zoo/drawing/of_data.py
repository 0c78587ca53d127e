"""Draws of a data set's images: their means, to be scored, and whether the draws are calibrated."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zooscope import atomic
from zooscope.data import load_dataset
from zooscope.data.dataset import Dataset
from zooscope.errors import UsageError
from zooscope.imagefile import encode_tiff
from zooscope.progress import track
from zooscope.sample import Task
from zooscope_zoo.drawing.calibration import Calibration
from zooscope_zoo.drawing.moments import Moments
from zooscope_zoo.drawing.sampler import open_sampler


@dataclass(frozen=True)
class DrawnData:
    """What was written: how many images, and how often the truth lay in central intervals."""

    images: int
    calibration: Calibration


def draw_dataset(
    source: str | Path,
    dataset: str | Path,
    output: Path,
    *,
    split: str = "test",
    n: int = 16,
    seed: int = 0,
    device: str = "auto",
    changes: Sequence[str] = (),
    overwrite: bool = False,
    progress: bool = False,
) -> DrawnData:
    """Write `<output>/<id>.tif`, the mean of n draws, of every image of a split, as `zooscope score` takes them.

    Beside them `calibration.json` and `calibration.png`: how often the clean image lies in central intervals of draws.
    The folder is there when it is whole. Draws of an image do not depend on which others there are.

    Raises
    ------
    UsageError : a data set without clean images, an output that is there, a method that does not draw.
    """
    if output.exists() and not overwrite:
        raise UsageError(f"{output}: exists; --overwrite replaces it")
    sampler = open_sampler(source, device=device, changes=changes)
    data = load_dataset(dataset, progress=progress).only(split)
    _refuse(data)
    calibration = Calibration()
    with atomic.new_folder(output) as building:
        for sample in track(data, f"drawing {data.name}", len(data), show=progress):
            own = (seed, zlib.crc32(sample.id.encode()))
            draws = list(sampler.draws(sample.image.values, n, axes=sample.axes, seed=own))
            moments = Moments()
            for draw in draws:
                moments.add(draw)
            mean = np.moveaxis(moments.mean, 0, -1).astype(np.float32)
            (building / f"{sample.id}.tif").write_bytes(encode_tiff(mean[..., 0] if mean.shape[-1] == 1 else mean))
            truth = sample.target if sample.target.ndim == 3 else sample.target[..., None]
            calibration.add(draws, np.moveaxis(truth, -1, 0), group=sample.group)
        told = {
            "model": Path(source).name,
            "changes": list(changes),
            "dataset": data.name,
            "digest": data.digest,
            "split": split,
            "seed": seed,
        }
        text = json.dumps({**told, **calibration.as_json()}, indent=1) + "\n"
        (building / "calibration.json").write_text(text, encoding="utf-8")
        title = f"{data.name}, {split}: {n} draws of {len(data)} images"
        (building / "calibration.png").write_bytes(calibration.png(title=title))
    return DrawnData(len(data), calibration)


def _refuse(data: Dataset) -> None:
    if data.card.task is not Task.RESTORATION:
        raise UsageError(f"data set '{data.card.id}' is one of {data.card.task}; noisy and clean images are expected")
    data.refuse_without_truth(data.ids)
    data.refuse_volumes()
