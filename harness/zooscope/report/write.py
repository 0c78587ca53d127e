"""Writes the leaderboards of a reports folder: tables to keep in git, pages to look at."""

from collections.abc import Sequence
from pathlib import Path

from zooscope import atomic
from zooscope.data.card import Card, card_ids, find_card
from zooscope.data.dataset import Dataset, load_dataset
from zooscope.errors import DataError, UsageError
from zooscope.report import tables
from zooscope.report.board import Board, make_board
from zooscope.report.page import html
from zooscope.runkey import digest_of
from zooscope.store import Result, Results


def write_board(board: Board, reports: Path, data: Dataset | None) -> Path:
    """Write `leaderboards/<data set>.{md,csv,json}` and `site/<data set>.html`; return the page's path."""
    name = _file_name(board)
    for suffix, text in (("md", tables.markdown), ("csv", tables.csv_text), ("json", tables.json_text)):
        atomic.write_text(reports / "leaderboards" / f"{name}.{suffix}", text(board))
    page = reports / "site" / f"{name}.html"
    atomic.write_text(page, html(board, data))
    return page.resolve()


def board_of(results: Results, data: Dataset) -> Board:
    """The leaderboard of a split: all rows that stand on its very content."""
    found = results.all(dataset=data.name, split=str(data.split))
    return make_board(standing([row for row in found if row.run["dataset"]["digest"] == data.digest]), data.card)


def boards(results: Results, *, dataset: str | None = None) -> list[Board]:
    """The leaderboards of all results, or of one data set's."""
    found = [(name, split) for name, split in results.splits() if dataset in (None, name.partition("@")[0])]
    if not found:
        of = f" of '{dataset}'" if dataset else ""
        raise UsageError(f"{results.root}: no results{of}; `zooscope run` makes some")
    return [_newest_content(list(results.all(dataset=name, split=split))) for name, split in found]


def data_of(board: Board) -> Dataset | None:
    """The board's data if it can be loaded here without a download and still is what the rows stand on."""
    try:
        data = load_dataset(board.card.id, split=board.split, download=False)
    except (DataError, UsageError):
        return None
    return data if data.digest == board.digest else None


def standing(results: Sequence[Result]) -> list[Result]:
    """The rows that count: the newest of each model run the same way, and failures of models without a newer row."""
    ordered = sorted(results, key=lambda result: result.run["created"])
    rows = {_stands_for(result): result for result in ordered if not result.failed}
    latest = {result.run["model"]["name"]: result for result in ordered}
    return [*rows.values(), *(result for result in latest.values() if result.failed)]


def _stands_for(result: Result) -> str:
    run = result.run
    protocol = {key: value for key, value in run["protocol"].items() if key != "predict_version"}
    return digest_of(run["model"]["name"], protocol, bool(run["tuning"]))


def _newest_content(results: Sequence[Result]) -> Board:
    """The board of the content that the bundled card describes, else of the newest row's."""
    about = max(results, key=lambda result: result.run["created"]).run["dataset"]
    card = Card.model_validate(about["card"])
    bundled = find_card(card.id)[0] if card.id in card_ids() else card
    if bundled.name == card.name:
        card = bundled
    digest = card.digest or about["digest"]
    return make_board(standing([row for row in results if row.run["dataset"]["digest"] == digest]), card)


def _file_name(board: Board) -> str:
    """The data set's id; with its version where that is not the bundled one's, with the split unless it is test."""
    foreign = board.card.id in card_ids() and find_card(board.card.id)[0].name != board.card.name
    name = board.card.name if foreign else board.card.id
    return name if board.split == "test" else f"{name}-{board.split}"
