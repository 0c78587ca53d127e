"""Images of segmentation: the picture once, outlines of truth and of each row's prediction as paths above it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zooscope.report.outlines import outlines
from zooscope.report.pictures import as_rgb, webp
from zooscope.report.site.image_folders import ImageFolders
from zooscope.report.verdicts import judge
from zooscope.sample import Sample
from zooscope.store import Result


def _picture(sample: Sample, folder: Path) -> Mapping[str, Any]:
    height, width = sample.target.shape
    (folder / f"{sample.id}.webp").write_bytes(webp(as_rgb(sample.image)))
    return {"height": height, "width": width, "truth": outlines(sample.target)}


def _prediction(result: Result, sample: Sample, folder: Path) -> Mapping[str, Any]:
    del folder  # paths alone
    labels = result.prediction(sample.id)
    assert labels is not None
    verdicts = judge(labels, sample.target)
    return {
        "truth": verdicts.truth.tolist(),
        "predicted": verdicts.predicted.tolist(),
        "iou": [round(float(iou), 3) for iou in verdicts.iou],
        "paths": outlines(labels),
    }


VIEW = ImageFolders("outlines", 1, _picture, _prediction)
