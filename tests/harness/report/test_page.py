import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from zooscope.data import Dataset
from zooscope.report.board import Board
from zooscope.report.page import html, verdict
from zooscope.report.write import write_board

CHROMIUM = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)

PROBE = """<script>{
const errors = []; window.onerror = text => errors.push(text);
const table = document.querySelector("table.sortable"), say = {};
const column = i => [...table.tBodies[0].rows].map(row => +row.cells[i].dataset.value);
say.before = column(2); table.tHead.rows[0].cells[3].firstChild.click(); say.by75 = column(3);
table.tHead.rows[0].cells[3].firstChild.click(); say.by75again = column(3);
const tabs = document.querySelectorAll("[role=tab]"); tabs[1].click();
say.shown = [...document.querySelectorAll("[role=tabpanel]")].map(panel => !panel.hidden);
document.getElementById("plain").click();
const display = selector => getComputedStyle(document.querySelector(selector)).display;
say.plain = display("img.over") + "," + display("img.plain");
say.broken = [...document.images].filter(image => image.complete && !image.naturalWidth).length; say.errors = errors;
document.title = JSON.stringify(say);
}</script>"""


def test_the_page_needs_nothing_from_elsewhere(board: Board, demo: Dataset) -> None:
    page = html(board, demo.only("test"))
    assert not re.findall(r'(?:src|href)="(?!data:|https://github.com/lopuhin)[^"#]', page)


def test_names_from_packages_are_escaped(board: Board, demo: Dataset) -> None:
    page = html(board, demo.only("test"))
    assert "broken &lt;b&gt;" in page
    assert "broken <b>" not in page


def test_the_verdict_names_the_leader_the_interval_and_who_cannot_be_told_apart(board: Board) -> None:
    text = verdict(board, "all")
    assert text.startswith(f"{board.rows[0].name} leads: AP at IoU 0.5 of ")
    assert "95% interval" in text
    assert ("cannot tell it apart" in text) == (board.rows[1].standings["all"].rank == 1)
    assert "Too few groups" in verdict(board, "histology")


def test_a_leader_that_may_have_seen_the_images_is_not_crowned_without_a_word(board: Board) -> None:
    best, second = board.rows
    result = replace(best.result, run={**best.result.run, "trained_on": "its tag 'demo' names this data set"})
    text = verdict(replace(board, rows=[replace(best, result=result), second]), "all")
    assert "† It may have been trained on these very images; best of those that were not: " + second.name in text


def test_without_the_data_the_page_says_how_to_get_the_pictures(board: Board) -> None:
    for reader, advice in (("dsb2018", "zooscope fetch demo"), (None, "zooscope report --dataset FOLDER")):
        page = html(replace(board, card=board.card.model_copy(update={"reader": reader})), None)
        assert advice in page
        assert "data:image" not in page


def test_a_legend_of_many_models_stays_inside_the_picture(board: Board) -> None:
    from zooscope.report.curve import ap_curves

    svg = str(ap_curves(replace(board, rows=[board.rows[0]] * 40), "all", (50, 75, 95)))
    height = int(re.search(r'viewBox="0 0 \d+ (\d+)"', svg).group(1))
    assert max(int(y) for y in re.findall(r'<circle cx="\d+" cy="(\d+)" r="5"', svg)) < height


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_in_a_browser_columns_sort_tabs_switch_and_outlines_hide(board: Board, demo: Dataset, tmp_path: Path) -> None:
    page = write_board(board, tmp_path, demo.only("test"))
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("</body>", PROBE + "</body>").replace('loading="lazy"', ""))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    command = [str(CHROMIUM), *flags, f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000"]
    dom = subprocess.run([*command, "--dump-dom", probed.as_uri()], capture_output=True, text=True, timeout=120).stdout
    said = json.loads(unescape(re.search("<title>(.*?)</title>", dom, re.S).group(1)))
    assert said["errors"] == []
    assert said["broken"] == 0
    assert said["before"] == sorted(said["before"], reverse=True)
    assert said["by75"] == sorted(said["by75"], reverse=True)
    assert said["by75again"] == sorted(said["by75"])
    assert said["shown"] == [False, True, False]
    assert said["plain"] == "none,block"
