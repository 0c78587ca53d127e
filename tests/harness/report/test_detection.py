"""COCO's scores on a leaderboard: those of the row's own objects, kept beside it, by each subset."""

import numpy as np
import pytest

from zooscope.data import Dataset
from zooscope.metrics.average_precision import average_precision
from zooscope.metrics.coco import COCO, match_boxes, match_masks
from zooscope.metrics.detected import from_bytes, is_same, to_bytes
from zooscope.metrics.metric import Metric
from zooscope.report import tables
from zooscope.report.board import Board
from zooscope.report.detection import detection_rows, detection_scores
from zooscope.stats import GroupBootstrap


def test_scores_are_those_of_the_stored_objects_on_each_subset(board: Board, demo: Dataset) -> None:
    for row in board.rows:
        for subset in ("all", "fluorescence"):
            ids = [id for id, member in zip(board.ids, board.members[subset], strict=True) if member]
            expected = {}
            for match in (match_masks, match_boxes):
                found = [
                    match(row.result.prediction(id), demo[id].target, protocol=COCO, scores=row.result.scores(id))
                    for id in ids
                ]
                expected |= average_precision(found)
            scores = {name: one.score for name, one in detection_scores(board, row, subset).items()}
            assert scores == pytest.approx(expected, abs=1e-12, nan_ok=True)
            assert {name.split("-")[1] for name in scores} == {"mask", "box"}


def test_a_row_says_whether_its_objects_have_a_confidence(board: Board, demo: Dataset) -> None:
    sources = {one.row.name: one.score_source for one in detection_rows(board, "all")}
    assert sources["baseline-otsu-watershed"] == "constant score"
    shown = detection_rows(board, "all")[0].scores
    assert max(np.bincount(demo[id].target.ravel())[1:].max() for id in board.ids) < 96**2
    assert list(shown) == ["AP", "AP50", "AP75", "AR100", "AP small", "AP medium"], "no large object, no score of it"


def test_tables_hold_them(board: Board) -> None:
    row = board.rows[0]
    (name,) = [name for name in detection_scores(board, row, "all") if name.startswith("coco-mask-ap50-")]
    score = detection_scores(board, row, "all")[name].score
    assert "### AP and AR as COCO defines them (at most 100 objects an image), masks" in tables.markdown(board)
    line = next(line for line in tables.csv_text(board).splitlines() if line.startswith(f"{row.name},all,{name},"))
    assert float(line.split(",")[3]) == pytest.approx(score, abs=1e-6)
    told = tables.plain(board)["rows"][0]["standings"]
    assert told["all"]["detection"][name]["score"] == score
    stratum = next(subset.name for subset in board.subsets if subset.kind == "stratum")
    assert told[stratum]["detection"] == {}


def test_detections_come_back_from_their_bytes_and_a_changed_one_is_not_the_same(board: Board) -> None:
    detected = board.rows[0].result.detections
    images = [dict(zip(detected, image, strict=True)) for image in zip(*detected.values(), strict=True)]
    content = to_bytes(images)
    assert is_same(from_bytes(content), images)
    assert to_bytes(images) == content
    changed = from_bytes(content)
    changed["mask"][0].outcome[0, 0, 0] *= -1
    assert not is_same(changed, images)


def test_scores_that_are_no_sums_get_the_intervals_that_sums_get() -> None:
    rng = np.random.default_rng(0)
    hits, counts = rng.integers(0, 9, 60), rng.integers(9, 12, 60)
    bootstrap = GroupBootstrap([f"g{n % 20}" for n in range(60)], resamples=200)
    found = bootstrap.rescored(lambda weights: {"share": float((weights @ hits) / (weights @ counts))})["share"]
    metric = Metric("share", "", "", lambda records: (records["hits"], records["counts"]))
    expected = bootstrap.estimate(metric, {"hits": hits.astype(float), "counts": counts.astype(float)})
    assert (found.score, found.low, found.high) == pytest.approx((expected.score, expected.low, expected.high))
    few = GroupBootstrap(["a", "b", "c"], resamples=200)
    assert few.rescored(lambda weights: {"sum": float(weights.sum())})["sum"].low is None
