"""Which objects models miss: kinds of objects on a drawn image, and the table of the committed rows."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from zooscope.data import Dataset
from zooscope.sample import Sample, as_image
from zooscope.store import Results

ROOT = Path(__file__).parents[2]


def test_objects_are_told_apart_by_border_neighbours_size_and_light(tool: ModuleType) -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[0:8, 4:12] = 1  # at the border
    labels[14:20, 14:20], labels[20:26, 20:26] = 2, 3  # over a corner
    labels[30:34, 4:8] = 4
    image = np.where(labels == 4, 0.1, labels > 0).astype(np.float32)
    found = tool.kinds(Sample("drawn", as_image(image, axes="yx", source="drawn"), labels, group="drawn"))
    assert list(found["border"]) == ["cut by the border", "whole", "whole", "whole"]
    assert list(found["neighbours"]) == ["alone", "touching another", "touching another", "alone"]
    assert list(found["diameter"]) == ["6 to 10 px", "6 to 10 px", "6 to 10 px", "below 6 px"]
    assert list(found["light"]) == [*["0.7 of the range and more"] * 3, "0.1 to 0.2 of the range"]


def test_a_rows_recall_is_the_share_of_objects_that_its_own_scores_count(tool: ModuleType, dsb2018: Dataset) -> None:
    found = Results(ROOT / "reports").all(dataset="dsb2018@1", split="test")
    row = next(row for row in found if row.run["model"]["name"] == "nuclei-tiny" and not row.failed)
    data = dsb2018.only("test")
    chosen = [id for id in data.ids if str(data.table.loc[id, "stratum"]).startswith("fluorescence-")][:6]
    recall, false = tool.measured(data, chosen, {"nuclei-tiny": row})
    scores = row.images.loc[chosen]
    assert recall.loc["objects", "nuclei-tiny"] == pytest.approx(scores["tp50"].sum() / scores["true"].sum())
    assert false.loc["false objects", "nuclei-tiny"] == (scores["predicted"] - scores["tp50"]).sum()
