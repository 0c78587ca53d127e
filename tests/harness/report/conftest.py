"""A leaderboard of the demo set: two baselines, and a package that cannot run."""

import zipfile
from pathlib import Path

import pytest

from zooscope.data import Dataset
from zooscope.report.board import Board, make_board
from zooscope.report.write import write_board
from zooscope.rows import plan_rows, run_row
from zooscope.store import Results


@pytest.fixture(scope="session")
def reports(demo: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reports folder with three rows, of which one failed."""
    folder = tmp_path_factory.mktemp("reports")
    broken = folder / "broken <b>.zip"
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("rdf.yaml", "{type: model, inputs: [1], outputs: [1], weights: {keras_hdf5: {source: a.h5}}}")
    models = ["baseline:otsu-watershed@1", "baseline:local-threshold@1", str(broken)]
    for row in plan_rows(models, demo):
        run_row(row, Results(folder))
    return folder


@pytest.fixture(scope="session")
def board(reports: Path, demo: Dataset) -> Board:
    """Those rows, ranked."""
    return make_board(list(Results(reports).all(dataset="demo@1", split="test")), demo.card)


@pytest.fixture(scope="session")
def site(reports: Path, board: Board, demo: Dataset) -> Path:
    """Their site, with pictures."""
    write_board(board, reports, demo.only("test"))
    return reports / "site"
