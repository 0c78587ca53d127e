import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope.report.write import board_of, standing, write_board, write_reports
from zooscope.rows import plan_rows, run_row
from zooscope.store import Result, Results

OTSU = "baseline:otsu-watershed@1"


@pytest.fixture
def folder(demo: Dataset, tmp_path: Path) -> Path:
    path = tmp_path / "Мои клетки"
    write_folder(path, [(sample, "test") for sample in demo.only("test")][:2])
    return path


def rank(folder: Path | str, reports: Path, model: str = OTSU) -> Dataset:
    data = load_dataset(folder)
    run_row(plan_rows([model], data)[0], Results(reports))
    return data


def test_a_board_is_written_as_tables_and_a_page(demo: Dataset, reports: Path, tmp_path: Path) -> None:
    data = demo.only("test")
    page = write_board(board_of(Results(reports), data), tmp_path, data)
    assert page == tmp_path / "site" / "benchmarks" / "demo" / "index.html"
    assert {path.name for path in (tmp_path / "leaderboards").iterdir()} == {"demo.md", "demo.csv", "demo.json"}


def test_each_content_of_a_folder_has_its_own_board(folder: Path, demo: Dataset, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    first = rank(folder, reports)
    write_folder(folder, [(sample, "test") for sample in demo.only("test")][:3])
    second = rank(folder, reports)
    for data, images in ((first, 2), (second, 3)):
        board = board_of(Results(reports), data.only("test"))
        assert board.subsets[0].images == images
    ((newest, _),) = write_reports(Results(reports))
    assert newest.subsets[0].images == 3


def test_a_users_own_card_stays_on_the_board(demo: Dataset, tmp_path: Path) -> None:
    text = (Path(demo.folder).parent / "demo.toml").read_text()
    text = text.replace('id = "demo"', 'id = "mine"').replace('title = "Demo', 'title = "Mine')
    (tmp_path / "mine.toml").write_text(text)
    shutil.copytree(demo.folder, tmp_path / "mine")
    rank(str(tmp_path / "mine.toml"), tmp_path / "reports")
    ((board, _),) = write_reports(Results(tmp_path / "reports"), dataset="mine")
    assert board.card.title.startswith("Mine")
    assert board.card.licence == "CC0-1.0"
    assert {subset.name for subset in board.subsets} >= {"fluorescence", "histology"}


def test_a_folder_named_like_a_card_never_writes_over_the_cards_board(demo: Dataset, tmp_path: Path) -> None:
    write_folder(tmp_path / "demo", [(sample, "test") for sample in demo.only("test")][:2])
    reports = tmp_path / "reports"
    rank("demo", reports)
    data = rank(tmp_path / "demo", reports)
    assert len(list(write_reports(Results(reports), processes=2))) == 2
    images = {
        path.name: json.loads(path.read_text())["subsets"][0]["images"] for path in reports.glob("leaderboards/*.json")
    }
    assert images == {"demo.json": 10, f"{data.name}.json": 2}


def test_a_newer_row_of_a_name_stands_for_the_older_and_a_failure_gives_way(
    demo: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zooscope import rows
    from zooscope.errors import WorkerError

    results, row = Results(tmp_path), plan_rows([OTSU], demo)[0]

    def dies(*_: object, **__: object) -> None:
        raise WorkerError("its process died")

    with monkeypatch.context() as patch:
        patch.setattr(rows, "_predict", dies)
        assert run_row(row, results).failed
        assert len(board_of(results, demo.only("test")).failures) == 1
    assert run_row(row, results).failed, "what crashed is not run again unasked"
    assert not run_row(row, results, retry=True).failed
    board = board_of(results, demo.only("test"))
    assert (len(board.rows), len(board.failures)) == (1, 0)


def test_rows_of_two_machines_are_one_leaderboard_once_their_folders_are(demo: Dataset, tmp_path: Path) -> None:
    one, two, both = (tmp_path / name for name in ("one", "two", "both"))
    rank("demo", one)
    rank("demo", two, "baseline:local-threshold@1")
    rank("demo", two)
    rank("demo", both)
    rank("demo", both, "baseline:local-threshold@1")
    shutil.copytree(two / "results", one / "results", dirs_exist_ok=True)
    tables = []
    for reports in (one, both):
        list(write_reports(Results(reports)))
        told = json.loads((reports / "leaderboards" / "demo.json").read_text())
        for row in told["rows"]:
            del row["seconds_per_image"]
        tables.append(told)
    assert tables[0] == tables[1]
    assert len(tables[0]["rows"]) == 2


def test_the_site_or_the_figures_alone_leave_the_tables_as_they_are(demo: Dataset, tmp_path: Path) -> None:
    rank("demo", tmp_path)
    ((_, site),) = write_reports(Results(tmp_path), site=True)
    assert site == [tmp_path / "site" / "benchmarks" / "demo" / "index.html"]
    ((_, figures),) = write_reports(Results(tmp_path), figures=True)
    assert {path.parent for path in figures} == {tmp_path / "figures" / "demo"}
    assert not (tmp_path / "leaderboards").exists()


def test_boards_made_side_by_side_are_the_same_as_one_after_the_other(folder: Path, tmp_path: Path) -> None:
    rank("demo", tmp_path)
    rank(folder, tmp_path)
    pages: list[dict[str, bytes]] = []
    for processes in (1, 2):
        found = list(write_reports(Results(tmp_path), processes=processes))
        assert sorted(board.card.id for board, _ in found) == ["demo", load_dataset(folder).card.id]
        pages.append({str(path): path.read_bytes() for path in tmp_path.glob("site/**/*.*") if path.is_file()})
    assert pages[0] == pages[1]


def test_a_failure_makes_way_for_a_later_row_of_the_same_model_whatever_its_file_was_called(reports: Path) -> None:
    rows = list(Results(reports).all(dataset="demo@1", split="test"))
    good, failed = next(r for r in rows if not r.failed), next(r for r in rows if r.failed)

    def told(result: Result, name: str, digest: str, created: str) -> Result:
        model = {**result.run["model"], "name": name, "digest": digest}
        return replace(result, run={**result.run, "model": model, "created": created})

    refused, later = told(failed, "file-name", "a" * 64, "2026-01-01"), told(good, "name", "a" * 64, "2026-01-02")
    assert standing([refused, later]) == [later]
    newer = told(failed, "file-name", "a" * 64, "2026-01-03")
    assert standing([newer, later]) == [later, newer], "what fails now is said"
    other = told(failed, "other", "b" * 64, "2026-01-01")
    assert standing([other, later]) == [later, other]
