"""Images too large for memory: the labels of a whole prediction, resumed after a kill, from statistics of the whole."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from zooscope.data import Dataset
from zooscope.decode import blocks, stardist
from zooscope.errors import PackageError, WorkerError
from zooscope.model import Model, load_model
from zooscope.predict import large, tiling
from zooscope.predict.large import predict_large
from zooscope.predict.statistics import measured
from zooscope.stack import plane_of


@pytest.fixture
def mosaic(demo: Dataset) -> np.ndarray:
    """Nine real images side by side, 563 x 589 px, so that objects lie across the borders of tiles and blocks."""
    gray = [np.tile(s.image.values, (2, 2)) for s in demo if s.axes == "yx"]
    rows = [np.concatenate([image[:200, :200] for image in gray[i : i + 3]], axis=1) for i in (0, 3, 6)]
    return np.concatenate(rows)[:563, :589]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tiles, blocks and layers."""
    monkeypatch.setattr(tiling, "MAX_TILE_PX", 448)
    monkeypatch.setattr(blocks, "BLOCK_PX", 128)
    monkeypatch.setattr(stardist, "BLOCK_PX", 128)
    monkeypatch.setattr(stardist, "LAYER", 1500)
    monkeypatch.setattr(large, "_READ_PX", 150)


def by_blocks(model: Model, image: np.ndarray, work: Path, axes: str = "yx") -> np.ndarray:
    canvas = np.full(image.shape[:2], 7, np.int32)
    count, _ = predict_large(model, plane_of(image, axes), canvas, work, identity=())
    assert count == canvas.max()
    return canvas


def same_up_to_numbers(one: np.ndarray, two: np.ndarray) -> bool:
    pairs = np.unique(np.stack([one.ravel(), two.ravel()]), axis=1)
    return pairs.shape[1] == one.max() + 1 == two.max() + 1 and (pairs[:, 0] == 0).all()


@pytest.mark.parametrize("name", ["nuclei-tiny", "stardist-dsb2018"])
def test_labels_by_blocks_are_those_of_the_whole_image(name: str, mosaic: np.ndarray, tmp_path: Path):
    model = load_model(name, device="cpu")
    whole, found = model.predict(mosaic), by_blocks(model, mosaic, tmp_path / "work")
    assert whole.max() > 100
    assert same_up_to_numbers(whole, found)
    if name.startswith("stardist"):
        np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_connected_parts_are_joined_across_blocks(
    make_package: Callable[..., Path], mosaic: np.ndarray, tmp_path: Path, dtype: type
):
    scale = {
        "id": "scale_range",
        "kwargs": {"axes": ["channel", "y", "x"], "min_percentile": 1, "max_percentile": 99.8},
    }
    model = load_model(make_package(preprocessing=[scale]), device="cpu")
    image = mosaic.astype(dtype) * dtype(1 if dtype == np.uint8 else 37)
    whole, maps = model.predict(image, return_maps=True)
    assert same_up_to_numbers(whole, by_blocks(model, image, tmp_path / "work"))
    tiles = sorted((tmp_path / "work").glob("*.npy"))
    assert len(tiles) > 1
    first = np.load(tiles[0])
    np.testing.assert_allclose(first, maps[:, : first.shape[1], : first.shape[2]], atol=1e-6)


def test_a_killed_prediction_goes_on_where_it_stopped(
    make_package: Callable[..., Path], mosaic: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    model = load_model(make_package(), device="cpu")
    expected, run, calls = model.predict(mosaic), model.run_tile, list[int]()

    def killed(tile: np.ndarray) -> np.ndarray:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(tile)

    monkeypatch.setattr(model, "run_tile", killed)
    with pytest.raises(KeyboardInterrupt):
        by_blocks(model, mosaic, tmp_path)
    before = len(list(tmp_path.glob("*.npy")))
    assert before == 2
    again = by_blocks(model, mosaic, tmp_path)
    tiles = len(list(tmp_path.glob("*.npy")))
    assert len(calls) == 3 + tiles - before, "no tile twice, but for the one that was killed"
    assert same_up_to_numbers(again, expected)
    calls[:] = [1] * 5
    by_blocks(model, mosaic + 1, tmp_path / "other")
    assert len(calls) == 5 + tiles


def test_where_memory_runs_out_tiles_shrink_and_the_image_goes_on(
    make_package: Callable[..., Path], mosaic: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import torch

    model = load_model(make_package(), device="cpu")
    expected, network, sizes = model.predict(mosaic), model._network, list[int]()  # pyright: ignore[reportPrivateUsage]

    def small_device(batch: np.ndarray) -> np.ndarray:
        sizes.append(max(batch.shape))
        if sizes[-1] > 256:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return network(batch)

    monkeypatch.setattr(model, "_network", small_device)
    found = by_blocks(model, mosaic, tmp_path)
    assert same_up_to_numbers(found, expected)
    assert model.tile_px == 224
    assert [size for size in sizes if size > 256] == [448], "what did not fit is not tried again"
    monkeypatch.setattr(model, "_network", lambda batch: small_device(np.zeros((1, 1, 448, 448))))
    with pytest.raises(WorkerError, match="memory ran out"):
        by_blocks(model, mosaic, tmp_path / "other")


def test_above_a_size_a_model_predicts_by_blocks(
    make_package: Callable[..., Path], mosaic: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    model = load_model(make_package(), device="cpu")
    whole = model.predict(mosaic)
    monkeypatch.setattr(large, "LARGE_PX", 1000)
    monkeypatch.setattr(model, "maps", lambda image: pytest.fail("predicted as a whole"))
    assert same_up_to_numbers(model.predict(mosaic), whole)


def test_a_decoder_that_needs_all_maps_says_that_the_image_is_too_large(
    make_package: Callable[..., Path], mosaic: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    model = load_model(make_package(), device="cpu")
    monkeypatch.setattr(large, "find_decoder", lambda *_: SimpleNamespace())
    with pytest.raises(PackageError, match=r"the image is too large for it: its decoder .* needs all maps at once"):
        by_blocks(model, mosaic, tmp_path)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_streamed_statistics_are_those_of_numpy(demo: Dataset, dtype: type):
    image = next(s.image.values for s in demo if s.axes == "yxc").astype(np.float64)
    image = (image - (100 if np.dtype(dtype).kind != "u" else 0)) * (1.37 if np.dtype(dtype).kind == "f" else 1)
    array = np.moveaxis(image.astype(dtype), -1, 0)

    def parts() -> Any:
        return (array[:, y : y + 90] for y in range(0, array.shape[1], 90))

    def measure(name: str, axes: tuple[str, ...] | None, q: float = 0.0, method: str = "linear") -> Any:
        return SimpleNamespace(name=name, axes=axes, q=q, method=method, scope="sample")

    wanted = [measure("quantile", axes, q) for q in (0.0, 0.01, 0.5, 0.998, 1.0) for axes in (None, ("y", "x"))]
    wanted += [measure("quantile", None, 0.37, "inverted_cdf"), measure("mean", ("y", "x")), measure("std", None)]
    found = measured(parts, array.shape, [_Keyed(item) for item in wanted], np.dtype(dtype).name)
    for key, value in found.items():
        item = key.item
        along = (0, 1, 2) if item.axes is None else (1, 2)
        if item.name == "quantile":
            expected = np.quantile(array, item.q, axis=along, method=item.method)
        else:
            expected = getattr(np, item.name)(array.astype(np.float64), axis=along)
        np.testing.assert_allclose(value.ravel(), np.ravel(expected), rtol=1e-6)


class _Keyed:
    """A measure that can stand in a dict."""

    def __init__(self, item: Any) -> None:
        self.item = item

    def __getattr__(self, name: str) -> Any:
        return getattr(self.item, name)
