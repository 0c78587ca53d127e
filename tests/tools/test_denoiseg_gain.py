"""What denoising gains: the table says what the scores say, and what was measured is not measured again."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

AP50, AP75, AP = "ap50.per-image@1", "ap75.per-image@1", "ap.per-image@1"


def kept(folder: Path, score: float, *, variant: str, draw: int) -> None:
    """What a scored network leaves."""
    alpha = {"joint": "0.5", "alone": "0"}[variant]
    changes = ["training.steps=9", "training.labelled=2", f"training.seed={draw}", f"network.alpha={alpha}"]
    told: dict[str, Any] = {"data": "demo", "settings": changes, "labelled": ["a", "b"]}
    told["scores"] = {AP50: score, AP75: score / 2, AP: score / 5}
    (folder / f"draw-{draw}-{variant}.json").write_text(json.dumps(told))


def test_finished_networks_are_taken_as_they_are_and_the_table_has_their_means(tool: ModuleType, tmp_path: Path):
    for draw, (joint, alone) in enumerate([(0.7, 0.6), (0.6, 0.54)]):
        kept(tmp_path, joint, variant="joint", draw=draw)
        kept(tmp_path, alone, variant="alone", draw=draw)
    found = tool.measure(tmp_path, "demo", labelled=2, draws=[0, 1], changes=["training.steps=9"])
    assert tool.gains(found, AP50) == pytest.approx([0.1, 0.06])
    tool.write(found, tmp_path / "reports")
    text = (tmp_path / "reports" / "gain-2-labelled.md").read_text()
    assert "| 1 | 0.600 | 0.540 | +0.060 | 0.300 | 0.270 | +0.030 | 0.120 | 0.108 | +0.012 |" in text
    assert "| mean | 0.650 | 0.570 | +0.080 | 0.325 | 0.285 | +0.040 | 0.130 | 0.114 | +0.016 |" in text
    assert json.loads((tmp_path / "reports" / "gain-2-labelled.json").read_text())["draws"][0]["labelled"] == ["a", "b"]

    tool.write({**found, "settings": ["training.labelled_px=64"]}, tmp_path / "reports")
    squares = (tmp_path / "reports" / "gain-2-labelled-64px.md").read_text()
    assert squares.startswith("# What denoising gains with 2 labelled squares of 64 px\n")


def test_scores_of_other_settings_are_refused(tool: ModuleType, tmp_path: Path):
    kept(tmp_path, 0.7, variant="joint", draw=0)
    with pytest.raises(SystemExit, match="of other settings; name another folder"):
        tool.measure(tmp_path, "demo", labelled=3, draws=[0], changes=["training.steps=9"])
