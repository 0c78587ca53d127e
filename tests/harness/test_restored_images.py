"""Restoration: a folder with clean images is a data set, restored images are scored, ranked and shown."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio

from zooscope import scoring
from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope.errors import DataError, UsageError
from zooscope.external import score_folder
from zooscope.report.board import make_board
from zooscope.rows import plan_rows
from zooscope.sample import Sample, Task, as_image
from zooscope.store import Results
from zooscope.verify import verify


@pytest.fixture(scope="module")
def noisy(demo: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The demo's gray images under seeded noise, with the images as truth, as a folder of one's own."""
    rng = np.random.default_rng(0)
    samples: list[tuple[Sample, str]] = []
    for sample in demo:
        if sample.axes == "yx":
            clean = sample.image.values
            image = (clean + rng.normal(0, 12, clean.shape)).astype(np.float32)
            made = replace(sample, image=as_image(image, axes="yx", source=sample.id), target=clean)
            samples.append((made, str(demo.table.loc[sample.id, "split"])))
    folder = tmp_path_factory.mktemp("data") / "noisy"
    write_folder(folder, samples, task=Task.RESTORATION)
    return load_dataset(folder)


@pytest.fixture
def restored(noisy: Dataset, tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, restore: Callable[[np.ndarray], np.ndarray]) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for sample in noisy.only("test"):
            tifffile.imwrite(folder / f"{sample.id}.tif", restore(sample.image.values))
        return folder

    return write


def smooth(image: np.ndarray) -> np.ndarray:
    return gaussian_filter(image, 0.7)


def test_a_folder_with_clean_images_is_a_data_set_of_restoration(noisy: Dataset):
    assert noisy.card.task is Task.RESTORATION
    sample = noisy[noisy.ids[0]]
    assert (sample.image.dtype, sample.target.dtype) == (np.float32, np.uint8)
    assert 11 < np.std(sample.image.values - sample.target) < 13


def test_a_folder_with_masks_and_clean_images_says_that_one_must_go(noisy: Dataset, tmp_path: Path):
    write_folder(tmp_path / "both", [(noisy[noisy.ids[0]], "test")], task=Task.RESTORATION)
    (tmp_path / "both" / "masks").mkdir()
    with pytest.raises(DataError, match=r"both: has masks/ and clean/; keep the one that is the truth"):
        load_dataset(tmp_path / "both")


def test_restored_images_are_ranked_by_psnr_and_kept(
    noisy: Dataset, restored: Callable[..., Path], tmp_path: Path, fresh_cache: Path
):
    data, results = noisy.only("test"), Results(tmp_path / "reports")
    rows = [
        score_folder(restored("raw", lambda image: image), data, name="noisy-input", results=results),
        score_folder(restored("smooth", smooth), data, name="gaussian", results=results),
    ]
    board = make_board(rows, data.card)
    assert [row.name for row in board.rows] == ["gaussian", "noisy-input"]
    for row, restore in zip(board.rows, (smooth, np.asarray), strict=True):
        expected = [
            peak_signal_noise_ratio(
                s.target.astype(float), restore(s.image.values).astype(float), data_range=np.ptp(s.target)
            )
            for s in data
        ]
        assert row.standings["all"].scores["psnr.range-gt@1"].score == pytest.approx(np.mean(expected), abs=1e-6)
        kept = row.result.prediction(data.ids[0])
        np.testing.assert_array_equal(kept, restore(data[data.ids[0]].image.values).astype(np.float32))
    found = {finding.about: finding for finding in verify(board.rows[0].result.folder, dataset=noisy)}
    assert found["scores"].level == "ok"
    assert found["model"].level == "warning"


def test_models_are_not_run_on_it_yet_and_that_is_said(noisy: Dataset):
    with pytest.raises(UsageError, match="is of restoration, which models are not run on yet; `zooscope score`"):
        plan_rows(["nuclei-tiny"], noisy)


def test_bad_predictions_are_named_one_and_all_and_nothing_is_written(
    noisy: Dataset, restored: Callable[..., Path], tmp_path: Path, fresh_cache: Path
):
    data, results = noisy.only("test"), Results(tmp_path / "reports")
    folder = restored("bad", smooth)
    first, second = data.ids[:2]
    shape = data[first].target.shape
    tifffile.imwrite(folder / f"{first}.tif", np.full(shape, np.nan, np.float32))
    tifffile.imwrite(folder / f"{second}.tif", np.zeros((3, 5), np.float32))
    with pytest.raises(DataError) as error:
        score_folder(folder, data, name="bad", results=results)
    said = str(error.value)
    assert f"{first}.tif: the image holds NaN" in said
    assert f"{second}.tif: an image of shape (3, 5), but the noisy one is" in said
    assert not results.splits()


def test_many_processes_give_the_same_row(
    noisy: Dataset,
    restored: Callable[..., Path],
    tmp_path: Path,
    fresh_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    data, folder = noisy.only("test"), restored("smooth", smooth)
    apart: list[int] = []
    whole = scoring._scored_apart
    monkeypatch.setattr(scoring, "_scored_apart", lambda *words: apart.append(len(words[2])) or whole(*words))
    rows = []
    for name, limit in (("one", 1e9), ("two", 0.0)):
        monkeypatch.setattr(scoring, "ALONE_S", limit)
        monkeypatch.setattr("os.cpu_count", lambda: 2)
        rows.append(score_folder(folder, data, name="gaussian", results=Results(tmp_path / name)))
    assert apart == [len(data) - 1], "all but the first image, which shows how long one takes"
    assert (rows[0].folder / "images.csv").read_bytes() == (rows[1].folder / "images.csv").read_bytes()
    assert rows[0].archive.read_bytes() == rows[1].archive.read_bytes()
