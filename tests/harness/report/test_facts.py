import shlex

from zooscope.report import facts
from zooscope.report.board import Board


def run(**model: object) -> dict[str, object]:
    protocol = {"weights": "onnx", "device": "cpu", "decoder": "stardist@1"} if model["kind"] == "package" else {}
    return {"model": model, "dataset": {"id": "dsb2018", "split": "test"}, "protocol": protocol}


def test_a_rows_command_names_what_decided_its_answer() -> None:
    package = run(kind="package", name="their model")
    expected = "zooscope run --model 'their model.zip' --dataset dsb2018 --decoder stardist --weights onnx --device cpu"
    assert facts.command(package) == expected
    assert facts.command(run(kind="package", name="nuclei-tiny")).startswith("zooscope run --model nuclei-tiny ")
    assert shlex.split(facts.command(run(kind="labels", name="tool")))[:3] == ["zooscope", "score", "FOLDER"]
    other = {**package, "dataset": {"id": "dsb2018", "split": "validation"}}
    assert "--split validation" in facts.command(other)


def test_the_method_is_the_decoder_or_what_else_makes_objects(board: Board) -> None:
    assert [facts.method(row.result.run) for row in board.rows] == ["baseline", "baseline"]
    assert facts.method(run(kind="package", name="m")) == "stardist"
    assert facts.method(run(kind="labels", name="m")) == "other tool"
    assert facts.megabytes(run(kind="package", name="m", size_bytes=2_500_000)) == 2.5
    assert facts.megabytes(run(kind="labels", name="m")) is None
