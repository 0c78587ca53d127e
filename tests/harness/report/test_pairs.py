import pytest

from zooscope.report.board import Board
from zooscope.report.pairs import differences
from zooscope.stats import GroupBootstrap


def test_each_cell_is_the_paired_difference_and_its_mirror_the_same_turned_round(board: Board) -> None:
    found = differences(board, "all", board.rows)
    first, second = (board.records(row) for row in board.rows)
    expected = GroupBootstrap(board.groups("all")).difference(board.shown.ranking, first, second)
    one, other = found[0][1], found[1][0]
    assert one is not None
    assert other is not None
    assert (one.score, one.low, one.high) == pytest.approx((expected.score, expected.low, expected.high), abs=1e-12)
    assert (other.score, other.low, other.high) == (-one.score, -one.high, -one.low)
    assert found[0][0] is found[1][1] is None


def test_it_is_the_difference_that_the_table_shows_behind_the_best(board: Board) -> None:
    behind = board.rows[1].standings["all"].behind
    cell = differences(board, "all", board.rows)[1][0]
    assert cell is not None
    assert behind is not None
    assert (cell.score, cell.low, cell.high) == pytest.approx((behind.score, behind.low, behind.high), abs=1e-12)


def test_below_ten_groups_a_difference_has_no_interval(board: Board) -> None:
    cell = differences(board, "histology", board.rows)[0][1]
    assert cell is not None
    assert cell.low is cell.high is None
