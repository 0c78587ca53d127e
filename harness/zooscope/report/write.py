"""Writes the leaderboards of a reports folder: tables to keep in git, pages to look at."""

from pathlib import Path

from zooscope import atomic
from zooscope.data.card import Card, card_ids, find_card
from zooscope.data.dataset import Dataset, folder_card, load_dataset
from zooscope.errors import DataError, UsageError
from zooscope.report import tables
from zooscope.report.board import Board, make_board
from zooscope.report.page import html
from zooscope.runkey import digest_of
from zooscope.store import Result, Results


def write_board(board: Board, reports: Path, data: Dataset | None) -> Path:
    """Write `leaderboards/<data set>.{md,csv,json}` and `site/<data set>.html`; return the page's path."""
    name = board.card.id if board.split == "test" else f"{board.card.id}-{board.split}"
    for suffix, text in (("md", tables.markdown), ("csv", tables.csv_text), ("json", tables.json_text)):
        atomic.write_text(reports / "leaderboards" / f"{name}.{suffix}", text(board))
    page = reports / "site" / f"{name}.html"
    atomic.write_text(page, html(board, data))
    return page.resolve()


def boards(results: Results, *, dataset: str | None = None) -> list[Board]:
    """The leaderboards of all results, or of one data set."""
    found = [(data, split) for data, split in results.splits() if dataset in (None, data.partition("@")[0])]
    if not found:
        of = f" of '{dataset}'" if dataset else ""
        raise UsageError(f"{results.root}: no results{of}; `zooscope run` makes some")
    return [make_board(*_current(list(results.all(dataset=data, split=split)))) for data, split in found]


def data_of(board: Board) -> Dataset | None:
    """The board's data if it can be loaded here without a download and still is what the rows stand on."""
    try:
        data = load_dataset(board.card.id, split=board.split, download=False)
    except (DataError, UsageError):
        return None
    return data if data.digest == board.digest else None


def _current(results: list[Result]) -> tuple[list[Result], Card]:
    """The newest row of each model on the card's content; where the card has no digest, on that of the newest row."""
    about = max(results, key=lambda result: result.run["created"]).run["dataset"]
    bundled = {card.name: card for card in (find_card(id)[0] for id in card_ids())}
    card = bundled.get(f"{about['id']}@{about['version']}") or folder_card(about["id"], splits=())
    digest = card.digest or about["digest"]
    current = [result for result in results if result.run["dataset"]["digest"] == digest]
    return list({_stands_for(result): result for result in sorted(current, key=lambda r: r.run["created"])}.values()), card


def _stands_for(result: Result) -> str:
    """What a newer row replaces on a leaderboard: the same model run the same way, tuned or predicted by older code."""
    run = result.run
    protocol = {key: value for key, value in run["protocol"].items() if key != "predict_version"}
    return digest_of(run["model"]["name"], run["model"]["digest"], protocol)
