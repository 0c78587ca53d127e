"""Leaderboards of the demo set: two baselines, and a package that cannot run; its images restored from noise."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope.external import score_folder
from zooscope.report.board import Board, make_board
from zooscope.report.write import write_board
from zooscope.rows import plan_rows, run_row
from zooscope.sample import Task, as_image
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


@pytest.fixture(scope="session")
def noisy(demo: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The demo's test images under seeded noise, gray and in colour, of 8 bits, of 16 and as floats."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "noisy"
    samples = []
    for number, sample in enumerate(demo.only("test")):
        factor, kind = ((1, np.uint8), (200, np.uint16), (0.01, np.float32))[number % 3]
        clean = (sample.image.values.astype(float) * factor).astype(kind)
        image = (clean + factor * rng.normal(0, 12, clean.shape)).astype(np.float32)
        samples.append(
            (replace(sample, image=as_image(image, axes=sample.axes, source=sample.id), target=clean), "test")
        )
    write_folder(folder, samples, task=Task.RESTORATION)
    return load_dataset(folder)


@pytest.fixture(scope="session")
def restored_reports(noisy: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reports folder with the noisy images themselves and with smoothed ones as rows."""
    reports = tmp_path_factory.mktemp("restored")
    for name, sigma in (("noisy-input", 0.0), ("gaussian", 0.7)):
        folder = reports / name
        folder.mkdir()
        for sample in noisy:
            smooth = gaussian_filter(sample.image.values, (sigma, sigma, 0)[: sample.image.ndim])
            tifffile.imwrite(
                folder / f"{sample.id}.tif", smooth, photometric="rgb" if smooth.ndim == 3 else "minisblack"
            )
        score_folder(folder, noisy.only("test"), name=name, results=Results(reports))
    return reports


@pytest.fixture(scope="session")
def restored_board(restored_reports: Path, noisy: Dataset) -> Board:
    """Those rows, ranked."""
    return make_board(list(Results(restored_reports).all(dataset=noisy.name, split="test")), noisy.card)


@pytest.fixture(scope="session")
def restored_site(restored_reports: Path, restored_board: Board, noisy: Dataset) -> Path:
    """Their site, with pictures."""
    write_board(restored_board, restored_reports, noisy.only("test"))
    return restored_reports / "site"
