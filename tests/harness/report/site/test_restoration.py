from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from skimage.color import rgb2gray

from zooscope.data import Dataset
from zooscope.report.board import Board
from zooscope.report.site import restoration
from zooscope.report.site.benchmark import write_benchmark

Read = Callable[[str], Any]


def test_noisy_restored_and_true_picture_share_the_truths_range_whatever_the_dtype(
    restored_board: Board, noisy: Dataset, restored_site: Path, restored_given: Read
) -> None:
    shown, home = restored_given("noisy/images")["shown"], restored_site / "benchmarks" / "noisy"
    assert shown["view"] == "restored"
    assert {str(sample.target.dtype) for sample in noisy} == {"uint8", "uint16", "float32"}
    for sample in noisy:
        told = restored_given(f"noisy/{shown['pictures']}/{sample.id}")
        low, high = np.percentile(sample.target, (0.5, 99.8))
        assert told["range"] == pytest.approx([low, high], rel=1e-3, abs=1e-3)
        assert (told["height"], told["width"]) == sample.target.shape[:2]
        assert told["colour"] == (sample.target.ndim == 3)
        pictures = {"noisy": (shown["pictures"], sample.image.values), "truth": (shown["pictures"], sample.target)}
        for row, folder in zip(restored_board.rows, shown["rows"], strict=True):
            pictures["restored"] = (folder, row.result.prediction(sample.id))
            for layer, (where, values) in pictures.items():
                found = imagecodecs.webp_decode((home / where / f"{sample.id}.{layer}.webp").read_bytes())
                expected = 255 * np.clip((values.astype(float) - low) / (high - low), 0, 1)
                assert np.abs(found.mean(-1) - expected.reshape(*found.shape[:2], -1).mean(-1)).mean() < 6


def test_residuals_are_blue_below_white_at_and_orange_above_the_truth_on_one_scale(
    restored_board: Board, noisy: Dataset, restored_site: Path, restored_given: Read
) -> None:
    shown, home = restored_given("noisy/images")["shown"], restored_site / "benchmarks" / "noisy"
    for sample in noisy:
        most = restored_given(f"noisy/{shown['pictures']}/{sample.id}")["residual"]
        for row, folder in zip(restored_board.rows, shown["rows"], strict=True):
            less = row.result.prediction(sample.id).astype(float) - sample.target
            less = rgb2gray(less) if less.ndim == 3 else less
            told = restored_given(f"noisy/{folder}/{sample.id}")
            assert (told["mean"], told["deviation"]) == pytest.approx((less.mean(), less.std()), rel=1e-3, abs=1e-5)
            found = imagecodecs.webp_decode((home / folder / f"{sample.id}.residual.webp").read_bytes()).astype(int)
            warm = found[..., 0] - found[..., 2]  # red less blue
            assert (warm[less > 0.05 * most] > 0).all()
            assert (warm[less < -0.05 * most] < 0).all()
            assert (found[np.abs(less) < 0.03 * most] == 255).all()
            assert (found[less > 1.001 * most] == (213, 94, 0)).all()


def test_a_later_row_is_written_alone_and_without_data_all_is_kept(
    restored_board: Board, noisy: Dataset, tmp_path: Path
) -> None:
    data, first = noisy.only("test"), replace(restored_board, rows=restored_board.rows[:1])
    one = restoration.VIEW.write(first, data, tmp_path, name="noisy")
    assert one is not None
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*") if path.is_file()}
    both = restoration.VIEW.write(restored_board, data, tmp_path, name="noisy")
    assert both is not None
    assert (both["pictures"], both["rows"][0]) == (one["pictures"], one["rows"][0])
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert restoration.VIEW.write(restored_board, None, tmp_path, name="noisy") == both


def test_a_truth_of_one_value_still_has_a_scale(noisy: Dataset, tmp_path: Path) -> None:
    sample = noisy[noisy.ids[0]]
    told = restoration.VIEW.picture(replace(sample, target=np.full_like(sample.target, 7)), tmp_path)
    assert told["range"] == [7, 8]
    assert told["residual"] > 0


def test_nothing_is_written_where_predictions_may_not_be_published(
    restored_board: Board, noisy: Dataset, tmp_path: Path
) -> None:
    closed = replace(restored_board, card=restored_board.card.model_copy(update={"publish_predictions": False}))
    page = write_benchmark(closed, tmp_path, name="noisy", data=noisy.only("test"))
    assert "licence of the data does not let" in page.read_text()
    assert not list(tmp_path.rglob("*.webp"))
