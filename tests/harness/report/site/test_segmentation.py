import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from zooscope.data import Dataset
from zooscope.metrics import measure
from zooscope.report.board import Board
from zooscope.report.site import segmentation
from zooscope.report.verdicts import VERDICTS


def test_each_image_has_a_picture_and_outlines_with_verdicts_that_ap_agrees_with(
    board: Board, demo: Dataset, site: Path, given: Callable[[str], Any]
) -> None:
    shown = given("demo/images")["shown"]
    assert shown["view"] == "outlines"
    for row, folder in zip(board.rows, shown["rows"], strict=True):
        for id in board.ids:
            assert (site / "benchmarks" / "demo" / shown["pictures"] / f"{id}.webp").is_file()
            truth, found = given(f"demo/{shown['pictures']}/{id}"), given(f"demo/{folder}/{id}")
            record = measure(row.result.prediction(id), demo[id].target)
            assert (truth["height"], truth["width"]) == demo[id].target.shape
            assert (len(truth["truth"]), len(found["paths"])) == (record["true"], record["predicted"])
            assert found["truth"].count(VERDICTS.index("hit")) == record["tp50"]
            assert len(found["iou"]) == len(found["predicted"]) == len(found["paths"])


def test_what_was_written_before_is_kept_and_what_left_the_board_is_removed(
    board: Board, demo: Dataset, tmp_path: Path
) -> None:
    data = demo.only("test")
    first = segmentation.VIEW.write(board, data, tmp_path, name="demo")
    assert first is not None
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*") if path.is_file()}
    assert segmentation.VIEW.write(board, data, tmp_path, name="demo") == first
    assert segmentation.VIEW.write(board, None, tmp_path, name="demo") == first
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    segmentation.VIEW.write(replace(board, rows=board.rows[:1]), data, tmp_path, name="demo")
    folders = {path.name for path in (tmp_path / "demo").iterdir()}
    assert folders == {first["pictures"], first["rows"][0]}


def test_without_data_or_labels_there_is_nothing_to_show(board: Board, demo: Dataset, tmp_path: Path) -> None:
    assert segmentation.VIEW.write(board, None, tmp_path, name="demo") is None
    shutil.copy(board.rows[0].result.folder / "images.csv", tmp_path)
    bare = [replace(row, result=replace(row.result, folder=tmp_path)) for row in board.rows]
    assert segmentation.VIEW.write(replace(board, rows=bare), demo.only("test"), tmp_path, name="demo") is None
