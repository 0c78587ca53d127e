import pytest

from zooscope.metrics import METRICS
from zooscope.report.board import Board, make_board
from zooscope.report.leader import leader
from zooscope.report.scale import axis_of, scale_of
from zooscope.report.tables import markdown


@pytest.mark.parametrize(
    ("metric", "values", "axis"),
    [
        ("ap50.per-image@1", (0.2, 0.7, None), [0, 1]),
        ("psnr.range-gt@1", (22.3, 31.2), [22, 32]),
        ("psnr.range-gt@1", (30.0, 30.0), [30, 35]),
        ("psnr.range-gt@1", (-1.5, 3.0, float("nan")), [-2, 3]),
        ("nrmse.range-gt@1", (0.021, 0.087), [0, 0.1]),
        ("nrmse.range-gt@1", (), [0, 1]),
    ],
)
def test_an_axis_holds_all_values_and_begins_where_a_length_means_something(
    metric: str, values: tuple[float | None, ...], axis: list[float]
) -> None:
    assert axis_of(METRICS[metric], values) == axis


def test_decibels_are_told_with_their_unit(restored_board: Board) -> None:
    score = restored_board.rows[0].standings["all"].scores["psnr.range-gt@1"].score
    assert scale_of(METRICS["psnr.range-gt@1"]).say(score) == f"{score:.2f} dB"
    assert f"leads: PSNR, range of the truth of {score:.2f} dB" in leader(restored_board, "all")
    assert "| PSNR, range of the truth (dB) |" in markdown(restored_board)


def test_where_low_is_good_the_lowest_leads_and_is_surely_ahead(restored_board: Board) -> None:
    card = restored_board.card.model_copy(update={"ranked_by": "nrmse.range-gt@1"})
    results = [row.result for row in restored_board.rows]
    for result in results:
        result.images["group"] = [f"g{number}" for number in range(len(result.images))]
    board = make_board(results, card)
    scores = [row.standings["all"].scores["nrmse.range-gt@1"].score for row in board.rows]
    assert scores == sorted(scores)
    assert f"{scores[0]:.4f}" in leader(board, "all")
