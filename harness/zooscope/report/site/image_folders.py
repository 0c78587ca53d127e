"""Folders of what a view writes: one of the images, one of each row; each whole or not there, and kept if there."""

import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zooscope import atomic
from zooscope.data.dataset import Dataset
from zooscope.progress import track
from zooscope.report.board import Board
from zooscope.report.site.names import row_slug
from zooscope.report.site.script import script
from zooscope.sample import Sample
from zooscope.store import Result

PICTURES = "pictures"


@dataclass(frozen=True)
class ImageFolders:
    """What is written of the images of a task.

    Attributes
    ----------
    view : what draws them, a part of `zs.views`; also the beginning of the names of the rows' folders.
    layout : counts changes of what is written; folders of another layout are made anew.
    picture : (sample, folder) -> what the script of the image tells, after its pictures were written into the folder.
    prediction : (result, sample, folder) -> the same of a row's prediction.
    """

    view: str
    layout: int
    picture: Callable[[Sample, Path], Mapping[str, Any]]
    prediction: Callable[[Result, Sample, Path], Mapping[str, Any]]

    def write(
        self, board: Board, data: Dataset | None, home: Path, *, name: str, progress: bool = False
    ) -> Mapping[str, Any] | None:
        """Write what is missing; what earlier reports wrote of the same row and content is kept. See `View.write`.

        Memory is bounded by one image and its prediction.
        """
        rows = {row_slug(row.result): row.result for row in board.rows if row.result.has_predictions}
        content = f"{self.layout}-{board.digest[:8]}"
        pictures = f"{PICTURES}-{content}"
        folders = {slug: f"{self.view}-{content}-{slug}" for slug in rows}
        self._forget_others(home / name, {pictures, *folders.values()})
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
                        _tell(own, f"{name}/{pictures}", id, self.picture(sample, own))
                    for slug, folder in missing.items():
                        told = self.prediction(rows[slug], sample, new[folder])
                        _tell(new[folder], f"{name}/{folder}", id, told)
        there = {slug: folder for slug, folder in folders.items() if (home / name / folder).is_dir()}
        if not there or not (home / name / pictures).is_dir():
            return None
        return {
            "view": self.view,
            "pictures": pictures,
            "rows": [there.get(row_slug(row.result)) for row in board.rows],
        }

    def _forget_others(self, home: Path, kept: set[str]) -> None:
        """Remove pictures of rows and contents that no longer stand on the board."""
        for prefix in (PICTURES, self.view):
            for folder in home.glob(f"{prefix}-*"):
                if folder.name not in kept:
                    shutil.rmtree(folder)


def _tell(folder: Path, key: str, id: str, told: Mapping[str, Any]) -> None:
    (folder / f"{id}.js").write_text(script(f"{key}/{id}", told), encoding="utf-8")
