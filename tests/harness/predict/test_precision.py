"""Precision of a network's arithmetic: what it changes, what it is part of, and where it is refused."""

from pathlib import Path

import numpy as np
import pytest

import zooscope
from zooscope.bundled import bundled
from zooscope.data import Dataset, load_dataset
from zooscope.errors import PackageError, UsageError
from zooscope.predict.precision import resolve_precision
from zooscope.predict.process import ModelProcess
from zooscope.rows import plan_rows

TINY = bundled("weights") / "nuclei-tiny.zip"


def test_bf16_answers_nearly_alike_and_a_worker_as_a_model_does(demo: Dataset) -> None:
    image = next(s for s in demo if s.axes == "yx").image
    full = zooscope.load_model("nuclei-tiny", device="cpu").maps(image)
    half = zooscope.load_model("nuclei-tiny", device="cpu", precision="bf16").maps(image)
    assert half.dtype == np.float32
    assert 1e-4 < np.abs(half - full).max() < 0.3  # 8 bits of a value near 1 are 0.004, more on steep borders
    assert np.abs(half - full).mean() < 5e-3
    options = {"weights": "torchscript", "device": "cpu", "time_limit_s": 60, "precision": "bf16"}
    with ModelProcess(TINY, **options) as process:
        np.testing.assert_array_equal(process.maps(image), half)


def test_precision_is_part_of_a_runs_key_and_float32_is_what_always_ran() -> None:
    data = load_dataset("demo")
    (row,) = plan_rows(["nuclei-tiny"], data, device="cpu")
    (same,) = plan_rows(["nuclei-tiny"], data, device="cpu", precision="float32")
    (half,) = plan_rows(["nuclei-tiny"], data, device="cpu", precision="bf16")
    assert row.contender.protocol["precision"] == "float32"
    assert row.request == same.request != half.request
    assert half.contender.protocol == {**row.contender.protocol, "precision": "bf16"}


def test_onnx_runs_in_float32_alone() -> None:
    refusal = "its onnx weights run in float32 alone, not in bf16, which needs torchscript or pytorch_state_dict"
    with pytest.raises(PackageError, match=refusal):
        zooscope.load_model("nuclei-tiny", weights="onnx", device="cpu", precision="bf16")
    (row,) = plan_rows(["nuclei-tiny"], load_dataset("demo"), weights="onnx", device="cpu", precision="bf16")
    assert row.contender.reason == refusal


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("half", "precision 'half' is not one of float32, bf16, fp16"),
        ("fp16", "precision 'fp16' needs a GPU; on the CPU use bf16 or float32"),
    ],
)
def test_a_precision_that_there_is_not_is_refused_in_one_line(name: str, told: str) -> None:
    for refused in (
        lambda: resolve_precision(name, "cpu"),
        lambda: zooscope.load_model("nuclei-tiny", device="cpu", precision=name),
        lambda: zooscope.evaluate("nuclei-tiny", "demo", device="cpu", precision=name),
    ):
        with pytest.raises(UsageError) as error:
            refused()
        assert str(error.value) == told


def test_a_folder_predicted_in_one_precision_is_not_resumed_in_another(
    tmp_path: Path, demo: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zooscope.predict import large
    from zooscope.stack import plane_of

    image = next(s for s in demo if s.axes == "yx").image.values
    counts: list[int] = []
    for precision in ("float32", "bf16", "bf16"):
        model = zooscope.load_model("nuclei-tiny", device="cpu", precision=precision)
        ran: list[int] = []
        run_tile = model.run_tile
        monkeypatch.setattr(model, "run_tile", lambda tile, ran=ran, run=run_tile: (ran.append(1), run(tile))[1])
        canvas = np.zeros(image.shape, np.int32)
        large.predict_large(model, plane_of(image, "yx"), canvas, tmp_path / "work", identity=(), params={})
        counts.append(len(ran))
    assert counts == [1, 1, 0]
