"""The hardest images: which are chosen, what their outlines say, and that remarks go with the row they were seen in."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from zooscope.metrics import measure
from zooscope.report.overlays import FALSE, HIT, MISSED
from zooscope.sample import Sample, as_image

STRATA = {"good": "gray-a", "bad": "gray-a", "worse": "gray-b", "twin": "gray-b", "stained": "colour"}
GROUPS = {"good": "1", "bad": "2", "worse": "3", "twin": "3", "stained": "4"}
FOUND = {"good": "hit", "bad": "hit miss", "worse": "hit miss miss false", "twin": "hit miss miss", "stained": "miss"}


@dataclass(frozen=True)
class Drawn:
    """A data set and a row of it: each image has squares side by side, found, missed or invented as `FOUND` says."""

    edge: int = 64
    name: str = "drawn@1"

    @property
    def card(self) -> Any:
        return SimpleNamespace(id="drawn")

    def __getitem__(self, id: str) -> Sample:
        truth = self._squares(id, ("hit", "miss"))
        image = as_image((truth > 0).astype(np.float32), axes="yx", source=id)
        return Sample(id, image, truth, group=GROUPS[id])

    def row(self, key: str = "0123456789") -> Any:
        about = {"group": GROUPS, "stratum": STRATA}
        records = {id: measure(self.prediction(id), self[id].target) for id in FOUND}
        images = pd.concat([pd.DataFrame(about), pd.DataFrame(records).T], axis=1)
        run = {"model": {"name": "some-model"}, "key": key}
        return SimpleNamespace(images=images, run=run, prediction=self.prediction, folder=Path("nowhere"))

    def prediction(self, id: str) -> NDArray[np.int32]:
        return self._squares(id, ("hit", "false"))

    def _squares(self, id: str, kinds: tuple[str, ...]) -> NDArray[np.int32]:
        labels = np.zeros((self.edge, self.edge), np.int32)
        for i, kind in enumerate(FOUND[id].split()):
            if kind in kinds:
                labels[self.edge - 20 : self.edge - 10, 4 + 14 * i : 14 + 14 * i] = i + 1
        return labels


def test_the_worst_images_of_the_strata_are_chosen_one_a_group(tool: ModuleType) -> None:
    found = tool.hardest(Drawn().row().images, strata="gray-*", count=2)
    assert list(found.index) == ["worse", "bad"]  # not its twin of the same group, nor the stained one
    assert list(found.loc["worse"]) == ["3", "gray-b", 0.25, 3, 1, 2, 1]


def test_outlines_of_found_missed_and_false_objects_have_their_colours(tool: ModuleType) -> None:
    ((picture, part),) = tool.panels(Drawn(), Drawn().row(), ["worse"])
    assert not part
    corners = [tuple(picture[2 * 44, 2 * (4 + 14 * i)]) for i in range(4)]
    assert corners == [HIT, MISSED, MISSED, FALSE]


def test_of_a_large_image_the_part_where_most_is_wrong_is_shown(tool: ModuleType) -> None:
    data = Drawn(edge=900)
    ((picture, part),) = tool.panels(data, data.row(), ["worse"])
    assert part
    assert picture.shape == (tool.WINDOW_PX, tool.WINDOW_PX, 3)
    for colour in (MISSED, FALSE):
        assert (picture == colour).all(axis=-1).any()


def test_a_row_without_its_label_images_is_named(tool: ModuleType) -> None:
    row = Drawn().row()
    row.prediction = lambda id: None
    with pytest.raises(SystemExit, match="some-model: its label image of bad is not in nowhere"):
        tool.panels(Drawn(), row, ["bad"])


def test_a_sheet_keeps_the_colours_and_a_remark_stands_until_its_row_is_replaced(
    tool: ModuleType, tmp_path: Path
) -> None:
    data = Drawn()
    notes = tmp_path / "drawn-seen.toml"
    notes.write_text('[some-model]\nrow = "01234567"\nseen = "Squares on the right are missed."\n')
    told = tool.write(tmp_path, data, {"some-model": data.row(), "other": data.row()}, strata="gray-*", count=3)
    assert "| some-model | `gray-*` | worse 0.25, bad 0.50, good 1.00 |" in told
    assert told.count("Squares on the right are missed.") == 1
    sheet = np.asarray(Image.open(tmp_path / "drawn" / "some-model.png").convert("RGB"), int)
    for colour in (HIT, MISSED, FALSE):
        assert (np.abs(sheet - colour).max(axis=-1) <= 4).sum() > 100

    told = tool.write(tmp_path, data, {"some-model": data.row(key="another-key")}, strata="gray-*", count=3)
    assert "Squares" not in told
    assert "| other |" in told
    assert "Squares" in notes.read_text()
