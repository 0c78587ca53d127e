import numpy as np

from zooscope.data import Dataset
from zooscope.metrics import measure
from zooscope.report.board import Board
from zooscope.report.verdicts import FALSE, HIT, MERGED, MISSED, SPLIT, judge


def test_each_kind_of_error_has_its_name() -> None:
    truth, found = np.zeros((60, 60), int), np.zeros((60, 60), int)
    truth[0:10, 0:10], found[0:10, 0:9] = 1, 1
    truth[0:10, 20:30] = 2
    found[0:10, 40:50] = 9
    truth[20:30, 0:20], found[20:30, 0:9], found[20:30, 11:20] = 3, 3, 4
    truth[40:50, 0:10], truth[40:50, 10:20], found[40:50, 0:21] = 5, 6, 5
    verdicts = judge(found, truth)
    assert list(verdicts.truth) == [HIT, MISSED, SPLIT, MERGED, MERGED]
    assert list(verdicts.predicted) == [HIT, SPLIT, SPLIT, MERGED, FALSE]
    np.testing.assert_allclose(verdicts.iou, [0.9, 0.45, 0.45, 100 / 210, 0.0])


def test_a_part_that_is_a_hit_all_the_same_counts_as_one() -> None:
    truth, found = np.zeros((10, 30), int), np.zeros((10, 30), int)
    truth[:, :20], found[:, :14], found[:, 14:20] = 1, 1, 2
    verdicts = judge(found, truth)
    assert (list(verdicts.truth), list(verdicts.predicted)) == ([HIT], [HIT, SPLIT])


def test_hits_are_those_that_ap_counts_on_every_stored_image(board: Board, demo: Dataset) -> None:
    for row in board.rows:
        for id in board.ids:
            labels, truth = row.result.prediction(id), demo[id].target
            verdicts, record = judge(labels, truth), measure(labels, truth)
            assert (verdicts.truth == HIT).sum() == (verdicts.predicted == HIT).sum() == record["tp50"]
            assert (len(verdicts.truth), len(verdicts.predicted)) == (record["true"], record["predicted"])
            assert (verdicts.truth == SPLIT).sum() <= record["split"]
            assert (verdicts.predicted == MERGED).sum() <= record["merged"]
