import numpy as np
import pytest

from zooscope.metrics import METRICS
from zooscope.report.board import Board
from zooscope.report.per_image import best_median_worst, image_scores


def test_the_score_of_all_images_is_the_mean_of_the_single_ones(board: Board) -> None:
    for row in board.rows:
        for name in (board.shown.ranked_by, "ap.per-image@1", "dice.per-image@1"):
            scores = image_scores(METRICS[name], board.records(row))
            assert scores.mean() == pytest.approx(row.standings["all"].scores[name].score)


def test_best_median_and_worst_leave_out_images_without_a_score() -> None:
    scores = np.array([0.2, np.nan, 0.9, 0.5])
    assert best_median_worst(scores) == {"best": 2, "median": 3, "worst": 0}
    assert best_median_worst(scores, higher_is_better=False) == {"best": 0, "median": 3, "worst": 2}
    assert best_median_worst(scores[2:3]) == {"best": 0}
    assert best_median_worst(scores[1:2]) == {}
