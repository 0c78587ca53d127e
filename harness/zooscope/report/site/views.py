"""Views: how the images of a task are shown. One module a task."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from zooscope.data.dataset import Dataset
from zooscope.report.board import Board
from zooscope.report.site import restoration, segmentation
from zooscope.sample import Task


class View(Protocol):
    """Writes what the image page of a task shows."""

    def write(
        self, board: Board, data: Dataset | None, home: Path, *, name: str, progress: bool = False
    ) -> Mapping[str, Any] | None:
        """Write pictures into `<home>/<name>/`; return what static/image.js must know, or None if there is nothing.

        `view` names what draws it (`zs.views` in static/picture.js), `pictures` and `rows` the folders of the pictures
        and of each row's predictions (None of a row without), for the view's own use. Without `data` nothing new is
        written, and what lies here already is told.
        """
        ...


VIEWS: Mapping[Task, View] = {
    Task.INSTANCE_SEGMENTATION: segmentation.VIEW,
    Task.RESTORATION: restoration.VIEW,
}


def find_view(board: Board) -> View | None:
    """The view of a board's task; None where images may not be shown with predictions."""
    return VIEWS.get(board.card.task) if board.rows and board.card.publish_predictions else None
