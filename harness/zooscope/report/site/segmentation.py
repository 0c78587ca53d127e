"""Images of segmentation: the picture once, outlines of truth and of each row's prediction as paths above it."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from zooscope import atomic
from zooscope.data.dataset import Dataset
from zooscope.progress import track
from zooscope.report.board import Board
from zooscope.report.outlines import outlines
from zooscope.report.pictures import as_rgb, webp
from zooscope.report.site.names import row_slug
from zooscope.report.site.script import script
from zooscope.report.verdicts import judge
from zooscope.sample import Sample
from zooscope.store import Result

LAYOUT = 1
"""Counts changes of what is written here: folders of another layout are made anew."""


def write(
    board: Board, data: Dataset | None, home: Path, *, name: str, progress: bool = False
) -> Mapping[str, Any] | None:
    """Write `<id>.webp`, truth and predictions; what earlier reports wrote of the same row and content is kept.

    Without `data` only that is shown. Memory is bounded by one image and its label images.
    """
    rows = {row_slug(row.result): row.result for row in board.rows if row.result.has_predictions}
    pictures = f"pictures-{LAYOUT}-{board.digest[:8]}"
    folders = {slug: f"outlines-{LAYOUT}-{board.digest[:8]}-{slug}" for slug in rows}
    _forget_others(home / name, {pictures, *folders.values()})
    if data is not None and rows:
        missing = {slug: folder for slug, folder in folders.items() if not (home / name / folder).is_dir()}
        lacking = not (home / name / pictures).is_dir()
        with ExitStack() as stack:
            new = {f: stack.enter_context(atomic.new_folder(home / name / f)) for f in missing.values()}
            own = stack.enter_context(atomic.new_folder(home / name / pictures)) if lacking else None
            ids = board.ids if new or own else []
            for id in track(ids, f"pictures of {name}", len(ids), show=progress and bool(ids)):
                sample = data[id]
                if own:
                    _write_picture(sample, own, f"{name}/{pictures}")
                for slug, folder in missing.items():
                    _write_prediction(rows[slug], sample, new[folder], f"{name}/{folder}")
    there = {slug: folder for slug, folder in folders.items() if (home / name / folder).is_dir()}
    if not there or not (home / name / pictures).is_dir():
        return None
    return {"view": "outlines", "pictures": pictures, "rows": [there.get(row_slug(row.result)) for row in board.rows]}


def _write_picture(sample: Sample, folder: Path, key: str) -> None:
    height, width = sample.target.shape
    (folder / f"{sample.id}.webp").write_bytes(webp(as_rgb(sample.image)))
    told = {"height": height, "width": width, "truth": outlines(sample.target)}
    (folder / f"{sample.id}.js").write_text(script(f"{key}/{sample.id}", told), encoding="utf-8")


def _write_prediction(result: Result, sample: Sample, folder: Path, key: str) -> None:
    labels = result.prediction(sample.id)
    assert labels is not None
    verdicts = judge(labels, sample.target)
    told = {
        "truth": verdicts.truth.tolist(),
        "predicted": verdicts.predicted.tolist(),
        "iou": [round(float(iou), 3) for iou in verdicts.iou],
        "paths": outlines(labels),
    }
    (folder / f"{sample.id}.js").write_text(script(f"{key}/{sample.id}", told), encoding="utf-8")


def _forget_others(home: Path, kept: set[str]) -> None:
    """Remove pictures of rows and contents that no longer stand on the board."""
    for prefix in ("pictures-", "outlines-"):
        for folder in home.glob(f"{prefix}*"):
            if folder.name not in kept:
                shutil.rmtree(folder)
