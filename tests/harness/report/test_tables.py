import csv
import io
import json
from dataclasses import replace
from itertools import combinations

import pytest

from zooscope.report import tables
from zooscope.report.board import Board
from zooscope.stats import Estimate


def test_markdown_shows_ranks_intervals_failures_and_how_rows_were_made(board: Board) -> None:
    text = tables.markdown(board)
    estimate = board.rows[0].standings["all"].scores[board.shown.ranked_by]
    assert f"{estimate.score:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]" in text
    assert "| broken <b> |" in text
    assert "best ap.per-image@1 on validation" in text
    assert "No intervals: fewer than 10 groups." in text


def test_every_row_of_a_markdown_table_has_as_many_cells_as_its_head(board: Board) -> None:
    widths: list[int] = []
    for line in [*tables.markdown(board).splitlines(), ""]:
        if line.startswith("|"):
            widths.append(line.count("|"))
        elif widths:
            assert len(set(widths)) == 1
            widths = []


def test_json_and_csv_hold_the_same_scores(board: Board) -> None:
    told = json.loads(tables.json_text(board))
    lines = {
        (line["model"], line["subset"], line["metric"]): line
        for line in csv.DictReader(io.StringIO(tables.csv_text(board)))
    }
    for row in told["rows"]:
        for subset, standing in row["standings"].items():
            for metric, estimate in standing["scores"].items():
                assert abs(float(lines[row["model"], subset, metric]["score"]) - estimate["score"]) < 1e-6


def test_a_rank_is_told_with_its_interval(board: Board) -> None:
    row = board.rows[0]
    standing = replace(row.standings["all"], rank=2, rank_interval=(1, 4))
    changed = replace(board, rows=[replace(row, standings={**row.standings, "all": standing})])
    assert f"| 2 (1-4) | {row.name} |" in tables.markdown(changed)
    told = json.loads(tables.json_text(changed))["rows"][0]["standings"]
    assert (told["all"]["rank"], told["all"]["rank_interval"]) == (2, [1, 4])
    assert told["histology"]["rank_interval"] is None
    lines = list(csv.DictReader(io.StringIO(tables.csv_text(changed))))
    mine = next(line for line in lines if (line["subset"], line["metric"]) == ("all", board.shown.ranked_by))
    assert (mine["rank"], mine["rank_low"], mine["rank_high"]) == ("2", "1", "4")


def test_json_tells_how_surely_each_model_is_ahead_of_each_that_stands_below(board: Board) -> None:
    told = json.loads(tables.json_text(board))
    names = [row["model"] for row in told["rows"]]
    assert [(pair["model"], pair["less"]) for pair in told["differences"]["all"]] == list(combinations(names, 2))
    for row, pair in zip(told["rows"][1:], told["differences"]["all"], strict=False):
        behind = row["standings"]["all"]["behind"]
        assert pair["less"] == row["model"]
        assert pair["score"] == pytest.approx(-behind["score"])
        assert (pair["low"], pair["high"]) == pytest.approx((-behind["high"], -behind["low"]))


def test_a_score_that_does_not_exist_is_null_in_json(board: Board) -> None:
    nothing = Estimate(float("nan"), None, None, 1, 1)
    row = board.rows[0]
    standing = replace(row.standings["histology"], scores={board.shown.ranked_by: nothing})
    changed = replace(board, rows=[replace(row, standings={"histology": standing})])
    told = json.loads(tables.json_text(changed))["rows"][0]["standings"]["histology"]
    assert told["scores"][board.shown.ranked_by]["score"] is None


def test_names_and_reasons_cannot_break_a_markdown_table(board: Board) -> None:
    broken = replace(board.failures[0], run={**board.failures[0].run, "reason": "a | b\nc"})
    assert "| a \\| b c |" in tables.markdown(replace(board, failures=[broken]))


def test_nothing_in_a_leaderboard_tells_a_path_of_the_machine(board: Board) -> None:
    for text in (tables.markdown(board), tables.json_text(board), tables.csv_text(board)):
        assert "/tmp" not in text
        assert "/home" not in text
