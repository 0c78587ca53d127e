"""Writes what is made of a reports folder's results: tables and figures to keep in git, a site to look at."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from threadpoolctl import threadpool_limits

from zooscope import atomic
from zooscope.data.card import Card, card_ids, find_card
from zooscope.data.dataset import Dataset, load_dataset
from zooscope.errors import DataError, UsageError
from zooscope.progress import track
from zooscope.report import tables
from zooscope.report.board import Board, make_board
from zooscope.report.shown import shown_on
from zooscope.report.site.benchmark import write_benchmark
from zooscope.report.site.build import finish_site, forget_others
from zooscope.runkey import digest_of
from zooscope.store import Result, Results

SITE, FIGURES = "site", "figures"


def write_board(board: Board, reports: Path, data: Dataset | None, *, progress: bool = False) -> Path:
    """Write the tables of one board and its part of the site; return the path of its page."""
    write_tables(board, reports)
    page = write_benchmark(board, reports / SITE, name=board_name(board), data=data, progress=progress)
    finish_site(reports / SITE, changed=[board_name(board)])
    return page.resolve()


def write_tables(board: Board, reports: Path) -> None:
    """Write `leaderboards/<data set>.{md,csv,json}`."""
    for suffix, text in (("md", tables.markdown), ("csv", tables.csv_text), ("json", tables.json_text)):
        atomic.write_text(reports / "leaderboards" / f"{board_name(board)}.{suffix}", text(board))


@dataclass(frozen=True)
class Wanted:
    """What to write of one split's results.

    Attributes
    ----------
    own : a loaded data set that is not among the cards, for its pictures.
    """

    reports: Path
    dataset: str
    split: str
    own: Dataset | None
    tables: bool
    site: bool
    figures: bool


def write_reports(
    results: Results,
    *,
    dataset: str | None = None,
    own: Dataset | None = None,
    site: bool = False,
    figures: bool = False,
    processes: int = 1,
    progress: bool = False,
) -> Iterator[tuple[Board, list[Path]]]:
    """Write what is asked for of all results, one board at a time; the tables and the site if nothing is.

    Parameters
    ----------
    dataset : limit to this data set's results.
    own : a loaded data set that is not among the cards, for its pictures.
    processes : so many boards at once, where there are several; memory is bounded by the boards in the making.

    Yields
    ------
    Each board with the paths of its page and its figures. After the last one the site's first page is written.
    """
    everything = not (site or figures)
    id = own.card.id if own else dataset
    wanted = [
        Wanted(results.reports, name, split, own, tables=everything, site=site or everything, figures=figures)
        for name, split in splits(results, dataset=id)
    ]
    names: list[str] = []
    for board, written in _written(wanted, processes, progress=progress):
        names.append(board_name(board))
        yield board, written
    if site or everything:
        if id is None:
            forget_others(results.reports / SITE, names)
        finish_site(results.reports / SITE, changed=None if id is None else names)


def _written(wanted: Sequence[Wanted], processes: int, *, progress: bool) -> Iterator[tuple[Board, list[Path]]]:
    if processes < 2 or len(wanted) < 2:
        yield from (_write(one, progress=progress) for one in wanted)
        return
    with ProcessPoolExecutor(min(processes, len(wanted)), mp_context=get_context("spawn")) as pool:
        yield from track(pool.map(_write_apart, wanted), "leaderboards", len(wanted), show=progress)


def _write_apart(wanted: Wanted) -> tuple[Board, list[Path]]:
    """In a process of a pool: one thread each, and the board comes back without the records of its images."""
    with threadpool_limits(1):
        board, written = _write(wanted, progress=False)
    rows = [replace(row, result=Result(row.result.folder, row.result.run)) for row in board.rows]
    return replace(board, rows=rows), written


def _write(wanted: Wanted, *, progress: bool) -> tuple[Board, list[Path]]:
    results = Results(wanted.reports)
    rows = list(results.all(dataset=wanted.dataset, split=wanted.split))
    board = _newest_content(rows, brief=not wanted.tables)
    name, written = board_name(board), list[Path]()
    if wanted.tables:
        write_tables(board, wanted.reports)
    if wanted.site:
        data = wanted.own.only(board.split) if wanted.own and wanted.own.digest == board.digest else data_of(board)
        page = write_benchmark(board, wanted.reports / SITE, name=name, data=data, progress=progress)
        written.append(page.resolve())
    if wanted.figures:
        from zooscope.report.figures.write import write_figures  # matplotlib takes a second to load

        written += [path.resolve() for path in write_figures(board, wanted.reports / FIGURES / name)]
    return board, written


def board_of(results: Results, data: Dataset) -> Board:
    """The leaderboard of a split: all rows that stand on its very content."""
    found = results.all(dataset=data.name, split=str(data.split))
    return make_board(standing([row for row in found if row.run["dataset"]["digest"] == data.digest]), data.card)


def splits(results: Results, *, dataset: str | None = None) -> list[tuple[str, str]]:
    """(data set, split) of which there are results; UsageError where there are none."""
    found = [(name, split) for name, split in results.splits() if dataset in (None, name.partition("@")[0])]
    if not found:
        of = f" of '{dataset}'" if dataset else ""
        raise UsageError(f"{results.root}: no results{of}; `zooscope run` makes some")
    return found


def data_of(board: Board) -> Dataset | None:
    """The board's data if it can be loaded here without a download and still is what the rows stand on."""
    try:
        data = load_dataset(board.card.id, split=board.split, download=False)
    except (DataError, UsageError):
        return None
    return data if data.digest == board.digest else None


def standing(results: Sequence[Result]) -> list[Result]:
    """The rows that count: the newest of each model run the same way, and failures of models without a newer row.

    A model is known by its name or, where another file name hid that, by its digest.
    """
    ordered = sorted(results, key=lambda result: result.run["created"])
    rows = {_stands_for(result): result for result in ordered if not result.failed}
    latest = {result.run["model"]["name"]: result for result in ordered}
    good = {result.run["model"]["digest"]: result.run["created"] for result in ordered if not result.failed}
    failed = [result for result in latest.values() if result.failed]
    return [*rows.values(), *(r for r in failed if r.run["created"] >= good.get(r.run["model"]["digest"], ""))]


def _stands_for(result: Result) -> str:
    run = result.run
    protocol = {key: value for key, value in run["protocol"].items() if key != "predict_version"}
    return digest_of(run["model"]["name"], protocol, bool(run["tuning"]))


def _newest_content(results: Sequence[Result], *, brief: bool) -> Board:
    """The board of the content that the bundled card describes, else of the newest row's.

    `brief` estimates what pages and figures show alone.
    """
    about = max(results, key=lambda result: result.run["created"]).run["dataset"]
    card = Card.model_validate(about["card"])
    bundled = find_card(card.id)[0] if card.id in card_ids() else card
    if bundled.name == card.name:
        card = bundled
    digest = card.digest or about["digest"]
    rows = standing([row for row in results if row.run["dataset"]["digest"] == digest])
    if not brief:
        return make_board(rows, card)
    shown = shown_on(card)
    return make_board(rows, card, metrics=shown.metrics, stratum_metrics=[shown.ranked_by])


def board_name(board: Board) -> str:
    """The data set's id; with its version where that is not the bundled one's, with the split unless it is test."""
    foreign = board.card.id in card_ids() and find_card(board.card.id)[0].name != board.card.name
    name = board.card.name if foreign else board.card.id
    return name if board.split == "test" else f"{name}-{board.split}"
