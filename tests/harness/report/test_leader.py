from dataclasses import replace

from zooscope.report.board import Board
from zooscope.report.leader import leader
from zooscope.stats import Estimate


def test_it_names_the_leader_the_interval_and_who_cannot_be_told_apart(board: Board) -> None:
    text = leader(board, "all")
    assert text.startswith(f"{board.rows[0].name} leads: AP at IoU 0.5 of ")
    assert "95% interval" in text
    assert ("cannot tell it apart" in text) == (board.rows[1].standings["all"].rank == 1)
    assert "Too few groups" in leader(board, "histology")


def test_a_leader_that_may_have_seen_the_images_is_not_crowned_without_a_word(board: Board) -> None:
    best, second = board.rows
    result = replace(best.result, run={**best.result.run, "trained_on": "its tag 'demo' names this data set"})
    text = leader(replace(board, rows=[replace(best, result=result), second]), "all")
    assert "† It may have been trained on these very images; best of those that were not: " + second.name in text


def test_of_many_that_cannot_be_told_apart_only_some_are_named(board: Board) -> None:
    best, second = board.rows
    close = replace(second.standings["all"], behind=Estimate(-0.01, -0.02, 0.01, 10, 10))
    others = [replace(second, name=f"other-{n}", standings={"all": close}) for n in range(30)]
    text = leader(replace(board, rows=[best, *others]), "all")
    assert "other-3 and 26 others." in text
    assert "other-4," not in text


def test_without_a_row_there_is_no_leader(board: Board) -> None:
    assert leader(replace(board, rows=[], subsets=[]), "all") == "No model could be ranked."
