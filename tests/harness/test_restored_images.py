"""Restoration: a folder with clean images is a data set, restored images are scored, ranked and shown."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio

from zooscope import scoring
from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope.errors import DataError, UsageError
from zooscope.external import score_folder
from zooscope.report.board import make_board
from zooscope.rows import evaluate, plan_rows
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


def test_classical_means_and_a_foreign_package_are_run_tuned_ranked_and_verified(
    noisy: Dataset, make_package: Callable[..., Path], tmp_path: Path, fresh_cache: Path
):
    package = make_package("smooth", preprocessing=[])
    models = ["baseline:noisy@1", "baseline:gaussian@1", str(package)]
    table = evaluate(models, noisy, device="cpu", reports=tmp_path / "reports")
    scores = table[(table["metric"] == "psnr.range-gt@1") & (table["subset"] == "all")].set_index("model")["score"]
    data, results = noisy.only("test"), list(Results(tmp_path / "reports").all(dataset=noisy.name, split="test"))
    found = {result.run["model"]["name"]: result for result in results}
    assert set(found) == set(scores.index)
    foreign = next(result for name, result in found.items() if not name.startswith("baseline"))
    for sample in data:
        image = torch.from_numpy(sample.image.values)[None, None]
        expected = torch.nn.functional.avg_pool2d(image, 3, stride=1, padding=1, count_include_pad=False)[0, 0]
        np.testing.assert_allclose(foreign.prediction(sample.id), expected, rtol=1e-6)
        np.testing.assert_array_equal(found["baseline-noisy"].prediction(sample.id), sample.image.values)
    assert scores["baseline-gaussian"] > scores["baseline-noisy"] + 3
    assert foreign.run["protocol"]["decoder"] == "image@1"
    tuning = found["baseline-gaussian"].run["tuning"]
    assert (tuning["objective"], tuning["split"]) == ("psnr.range-gt@1", "validation")
    best = found["baseline-gaussian"].run["params"]["sigma_px"]
    validation = {
        sigma: np.mean(
            [
                peak_signal_noise_ratio(
                    s.target.astype(float), gaussian_filter(s.image.values, sigma), data_range=np.ptp(s.target)
                )
                for s in noisy.only("validation")
            ]
        )
        for sigma in tuning["search"]["sigma_px"]
    }
    assert best == max(validation, key=lambda sigma: validation[sigma])
    for result, model in ((foreign, str(package)), (found["baseline-gaussian"], None)):
        verdict = {finding.about: finding for finding in verify(result.folder, dataset=noisy, model=model)}
        assert {verdict[about].level for about in ("record", "data", "scores", "model", "predictions")} == {"ok"}


def test_what_finds_objects_does_not_restore_and_the_reverse(noisy: Dataset, demo: Dataset, fresh_cache: Path):
    (row,) = plan_rows(["nuclei-tiny"], noisy)
    assert row.contender.reason == (
        "its decoder boundary-watershed is one of instance-segmentation; restoration is asked for"
    )
    with pytest.raises(UsageError, match=r"baseline:noisy@1' is one of restoration, the data set one of instance-"):
        plan_rows(["baseline:noisy@1"], demo)


def test_an_image_that_differs_by_more_than_rounding_is_found(
    noisy: Dataset, make_package: Callable[..., Path], tmp_path: Path, fresh_cache: Path
):
    package = make_package("smooth", preprocessing=[])
    evaluate([str(package)], noisy, device="cpu", reports=tmp_path / "reports")
    (result,) = Results(tmp_path / "reports").all(dataset=noisy.name, split="test")
    stored = {id: result.prediction(id) for id in result.images.index}
    for far, level in ((1e-5, "ok"), (1e-2, "error")):
        moved = {id: image + far * np.ptp(image) for id, image in stored.items() if image is not None}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(result), "prediction", lambda self, id, moved=moved: moved[id])
            verdict = {f.about: f for f in verify(result.folder, dataset=noisy, model=str(package))}
        assert verdict["predictions"].level == level


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
