import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from zooscope.data import Dataset
from zooscope.report.board import Board
from zooscope.report.site.benchmark import write_benchmark
from zooscope.report.site.build import finish_site, forget_others
from zooscope.report.site.names import row_slug

Read = Callable[[str], Any]


class Page(HTMLParser):
    """Addresses that a page names, and the ids in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]
        self.ids += [value for name, value in attrs if name == "id" and value]


def test_every_address_on_every_page_leads_to_a_file_beside_it_or_to_the_datas_homepage(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) == 6
    for path in pages:
        page = Page(path)
        assert len(page.ids) == len(set(page.ids))
        for address in page.addresses:
            if address.startswith(("https://github.com/", "data:,")):
                continue
            target, _, part = address.partition("#")
            assert (path.parent / unquote(target)).resolve().is_file() if target else part in page.ids, (path, address)


def test_no_script_fetches_and_no_style_imports(site: Path) -> None:
    for file in (site / "static").iterdir():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"\bfetch\(|XMLHttpRequest|^import |@import|url\(|https?://(?!www\.w3\.org)", text, re.M)


def test_names_and_reasons_from_packages_are_escaped(site: Path) -> None:
    page = (site / "benchmarks" / "demo" / "index.html").read_text(encoding="utf-8")
    assert "broken &lt;b&gt;" in page
    for path in site.rglob("*.html"):
        assert "broken <b>" not in path.read_text(encoding="utf-8")


def test_the_page_is_given_the_boards_numbers(board: Board, given: Read) -> None:
    told = given("demo/board")
    assert [metric["name"] for metric in told["metrics"]] == list(board.shown.metrics)
    assert [model["name"] for model in told["models"]] == [row.name for row in board.rows]
    for subset in board.subsets:
        for row, standing in zip(board.rows, told["standings"][subset.name], strict=True):
            mine = row.standings[subset.name]
            for metric, (score, *ends) in standing["scores"].items():
                estimate = mine.scores[metric]
                assert [score, *ends] == pytest.approx(
                    [v for v in (estimate.score, estimate.low, estimate.high) if v is not None], abs=5e-8
                )
            assert standing["rank"] == (None if mine.rank is None else standing["rank"])
            assert standing["rank"] is None or standing["rank"][0] == mine.rank
    curve = told["curve"]["scores"]["all"][0]
    assert curve[0] == pytest.approx(board.rows[0].standings["all"].scores[board.shown.ranked_by].score, abs=5e-8)
    assert curve[5] == pytest.approx(board.rows[0].standings["all"].scores["ap75.per-image@1"].score, abs=5e-8)


def test_the_plots_are_given_the_score_of_each_image_and_its_stratum(board: Board, given: Read, demo: Dataset) -> None:
    images = given("demo/images")
    assert images["ids"] == board.ids
    assert images["strata"] == [demo[id].stratum for id in board.ids]
    for name, scores in images["scores"].items():
        for row, mine in zip(board.rows, scores, strict=True):
            assert sum(mine) / len(mine) == pytest.approx(row.standings["all"].scores[name].score, abs=5e-8)
    histology = [n for n, id in enumerate(board.ids) if demo[id].stratum.startswith("histology")]
    assert images["subsets"]["histology"] == histology


def test_a_models_page_has_its_card_scores_provenance_and_command(site: Path, board: Board) -> None:
    row = board.rows[0]
    page = (site / "models" / f"{row.result.run['model']['name']}.html").read_text(encoding="utf-8")
    run = row.result.run
    assert f"zooscope run --model {run['model']['id']} --dataset demo" in page
    for part in (run["model"]["digest"], run["dataset"]["digest"], run["key"], run["environment"]["versions"]["numpy"]):
        assert part in page
    assert f"{row.standings['all'].scores[board.shown.ranked_by].score:.3f}" in page


def test_a_model_that_failed_has_a_page_with_its_reason(site: Path, board: Board) -> None:
    (page,) = (site / "models").glob("broken-*.html")
    assert board.failures[0].run["reason"].partition(":")[0] in page.read_text(encoding="utf-8")


def test_the_model_card_of_a_package_is_shown(board: Board, site: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path, dirs_exist_ok=True)
    result = board.rows[0].result
    record = tmp_path / "benchmarks" / "demo" / "runs" / f"{row_slug(result)}.json"
    card = json.dumps("# My model\n\nFor **nuclei**.")
    record.write_text(record.read_text().replace('"kind": "baseline"', f'"kind": "package", "card": {card}'))
    finish_site(tmp_path)
    page = (tmp_path / "models" / f"{result.run['model']['name']}.html").read_text(encoding="utf-8")
    assert "<strong>nuclei</strong>" in page


def test_without_the_data_the_page_says_how_to_get_the_pictures(board: Board, tmp_path: Path) -> None:
    for reader, advice in (("dsb2018", "zooscope fetch demo"), (None, "zooscope report --dataset FOLDER")):
        there = replace(board, card=board.card.model_copy(update={"reader": reader}))
        page = write_benchmark(there, tmp_path, name="demo", data=None)
        assert advice in page.read_text()
        assert not page.with_name("image.html").exists()


def test_pictures_of_data_that_may_not_be_published_are_not_written(
    board: Board, demo: Dataset, tmp_path: Path
) -> None:
    closed = replace(board, card=board.card.model_copy(update={"publish_predictions": False}))
    page = write_benchmark(closed, tmp_path, name="demo", data=demo.only("test"))
    assert "licence of the data does not let" in page.read_text()
    assert not list(tmp_path.rglob("*.webp"))


def test_a_board_without_a_row_has_a_page_with_the_reasons(board: Board, tmp_path: Path) -> None:
    page = write_benchmark(replace(board, rows=[], subsets=[]), tmp_path, name="demo", data=None).read_text()
    assert "No model could be ranked." in page
    assert "broken &lt;b&gt;" in page


def test_benchmarks_and_models_without_results_leave_the_site(board: Board, tmp_path: Path) -> None:
    for name in ("kept", "gone"):
        write_benchmark(board, tmp_path, name=name, data=None)
    finish_site(tmp_path)
    (tmp_path / "models" / "stale.html").write_text("")
    forget_others(tmp_path, ["kept"])
    index = finish_site(tmp_path).read_text()
    assert "benchmarks/kept/" in index
    assert "benchmarks/gone/" not in index
    models = {path.stem.partition("-")[0] for path in (tmp_path / "models").glob("*.html")}
    assert models == {"baseline", "broken"}


def test_the_rows_of_the_image_page_are_named_after_model_and_run(board: Board, given: Read) -> None:
    told = given("demo/board")
    assert [model["row"] for model in told["models"]] == [row_slug(row.result) for row in board.rows]
    assert board.shown.ranking.name == told["ranked_by"]
