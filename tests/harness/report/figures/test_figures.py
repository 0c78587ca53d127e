import struct
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl

from zooscope.report.board import Board
from zooscope.report.figures.curve import curve
from zooscope.report.figures.pairs import _short, pairs
from zooscope.report.figures.strata import strata
from zooscope.report.figures.style import STYLE, save
from zooscope.report.figures.write import write_figures


def test_each_plot_is_written_as_png_and_svg_with_text_as_text(board: Board, tmp_path: Path) -> None:
    paths = write_figures(board, tmp_path)
    names = {path.stem for path in paths}
    plots = ("ap-curve", "speed", "size", "differences")
    assert names == {"strata", "images", *plots, *(f"{p}-{s}" for p in plots for s in ("fluorescence", "histology"))}
    assert sorted(path.suffix for path in paths) == [".png"] * len(names) + [".svg"] * len(names)
    for path in paths:
        if path.suffix == ".png":
            width, height = struct.unpack(">II", path.read_bytes()[16:24])
            assert min(width, height) > 400
            assert max(width, height) > 1000
    text = " ".join(ElementTree.parse(tmp_path / "ap-curve.svg").getroot().itertext())
    for row in board.rows:
        assert row.name in text
    assert f"{board.rows[0].standings['all'].scores[board.shown.ranked_by].score:.3f}" not in text
    assert "IoU threshold" in text


def test_the_same_board_gives_the_same_bytes(board: Board, tmp_path: Path) -> None:
    with mpl.rc_context(STYLE):
        first, second = (save(curve(board, "all"), tmp_path / name / "curve") for name in "ab")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_differences_in_decibels_keep_their_digits_and_their_axis_does_not_begin_at_nothing(
    restored_board: Board,
) -> None:
    matrix = pairs(restored_board, "all")
    assert matrix is not None
    assert {text.get_text()[0] for text in matrix.axes[0].texts} == {"+", "−"}
    assert "(dB)" in matrix.axes[0].get_title(loc="left")
    assert (_short(-10.256, 2), _short(0.256, 2)) == ("−10.26", "+.26")
    panels = strata(restored_board)
    assert panels is not None
    assert panels.axes[0].get_xlim()[0] > 0
    assert not panels.axes[0].patches, "no bars"
