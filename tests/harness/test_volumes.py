"""Volumes: networks of three dimensions, on arrays and files, in tiles as whole; and what 2D data and they say."""

import copy
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label

from zooscope import load_model
from zooscope.contender import contender
from zooscope.data import Dataset
from zooscope.errors import PackageError
from zooscope.files import predict_files
from zooscope.model import Model
from zooscope.package import open_package
from zooscope.predict import large, process, tiling
from zooscope.predict.failures import DeviceMemoryError
from zooscope.predict.tiling import AxisSize

MakePackage = Callable[..., Path]
SIZES = {"min": 8, "step": 8}


def npy(*shape: int) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(0).random(shape, np.float32))
    return buffer.getvalue()


def deep(size: Any, *, halo_z: int | None = None) -> Callable[[dict[str, Any]], None]:
    """Gives a package a z, and normalises over all of a volume."""

    def edit(rdf: dict[str, Any]) -> None:
        given, answer = rdf["inputs"][0], rdf["outputs"][0]
        given["axes"].insert(2, {"type": "space", "id": "z", "size": size})
        same = {"tensor_id": "raw", "axis_id": "z"}
        answer["axes"].insert(2, {"type": "space", "id": "z", "size": same} | ({"halo": halo_z} if halo_z else {}))
        given["preprocessing"] = copy.deepcopy(given["preprocessing"])
        for step in given["preprocessing"]:
            if step["id"] == "scale_range":
                step["kwargs"]["axes"] = ["z", "y", "x"]

    return edit


def make(make_package: MakePackage, network: str = "smooth-volume", *, size: Any = SIZES, **options: Any) -> Path:
    """A package that takes volumes."""
    halo_z, scale = options.pop("halo_z", None), options.get("scale", 1.0)
    edge = round(64 / scale)
    tensors = {"test_input.npy": npy(1, 1, 8, 64, 64), "test_output.npy": npy(1, 1, 8, edge, edge)}
    return make_package(network, edit=deep(size, halo_z=halo_z), files=tensors, **options)


@pytest.fixture(scope="module")
def volume(demo: Dataset) -> NDArray[np.uint8]:
    """Nuclei (z, y, x) that come into focus and leave it again, those on the right later than those on the left."""
    image = next(s for s in demo if s.axes == "yx" and s.image.shape == (256, 256)).image.values.astype(np.float32)
    planes = []
    for z in range(20):
        left, right = (ndimage.gaussian_filter(image, abs(z - focus) / 2) / (1 + abs(z - focus)) for focus in (6, 12))
        planes.append(np.where(np.arange(256) < 128, left, right)[:150, 20:220])
    return np.stack(planes).astype(np.uint8)


def test_maps_of_a_volume_are_those_of_bioimageio_core(make_package: MakePackage, volume: NDArray[np.uint8]):
    from bioimageio.core import create_prediction_pipeline
    from bioimageio.core.sample import Sample
    from bioimageio.core.tensor import Tensor
    from bioimageio.spec import load_model_description
    from bioimageio.spec.model.v0_5 import TensorId

    path, given = make(make_package), volume[:16, :144, :192]
    model = load_model(path, device="cpu")
    maps = model.maps(xr.DataArray(given, dims=("z", "y", "x")))
    tensor = Tensor.from_numpy(given[None, None], dims=("batch", "channel", "z", "y", "x"))
    with create_prediction_pipeline(load_model_description(path), weight_format="torchscript", devices=["cpu"]) as core:
        found = core.predict_sample_without_blocking(Sample(members={TensorId("raw"): tensor}, stat={}, id=None))
    np.testing.assert_allclose(maps, found.members[TensorId("maps")].data.to_numpy()[0], atol=1e-6)


@pytest.mark.parametrize("halo_z", [None, 2])
def test_a_volume_in_tiles_is_answered_as_it_is_whole(
    make_package: MakePackage, volume: NDArray[np.uint8], halo_z: int | None, monkeypatch: pytest.MonkeyPatch
):
    halos = {"halo_px": 8, "halo_z": halo_z} if halo_z else {}
    model = load_model(make(make_package, **halos), device="cpu")
    assert model.package.input.depth == AxisSize(8, 8)
    labels, maps = model.predict(volume, "zyx", return_maps=True)
    assert (labels.dtype, labels.shape, maps.shape) == (np.int32, volume.shape, (1, *volume.shape))
    assert labels.max() >= 10
    np.testing.assert_array_equal(labels, label(maps[0] > 0.5, connectivity=3))
    tiles: list[tuple[int, ...]] = []
    network = model._network
    monkeypatch.setattr(model, "_network", lambda batch: tiles.append(batch.shape) or network(batch))
    monkeypatch.setattr(tiling, "MAX_VOLUME_TILE_PX", (24 if halo_z is None else 16, 96, 96))
    in_tiles, tiled_maps = model.predict(volume, "zyx", return_maps=True)
    assert len(tiles) > 8
    assert max(shape[-1] for shape in tiles) <= 96
    np.testing.assert_allclose(tiled_maps, maps, atol=1e-6)
    np.testing.assert_array_equal(in_tiles, labels)


def test_maps_coarser_than_the_volume_become_labels_of_its_size(make_package: MakePackage, volume: NDArray[np.uint8]):
    model = load_model(make(make_package, "coarse-volume", scale=2.0, halo_px=8), device="cpu")
    labels, maps = model.predict(volume, "zyx", return_maps=True)
    assert maps.shape == (1, 20, 75, 100)
    assert labels.shape == volume.shape
    assert labels.max() > 5


def test_where_memory_runs_out_the_tiles_of_a_volume_shrink(
    make_package: MakePackage, volume: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
):
    model = load_model(make(make_package), device="cpu")
    whole = model.maps(xr.DataArray(volume, dims=("z", "y", "x")))
    network = model._network

    def small(batch: Any) -> Any:
        if batch.shape[-1] > 128:
            raise DeviceMemoryError("memory ran out")
        return network(batch)

    monkeypatch.setattr(model, "_network", small)
    monkeypatch.setattr("zooscope.model.network_failure", lambda error, shape: error)
    np.testing.assert_allclose(model.maps(xr.DataArray(volume, dims=("z", "y", "x"))), whole, atol=1e-6)
    assert model.tile_px is not None


def test_a_worker_gives_the_maps_of_a_volume(make_package: MakePackage, volume: NDArray[np.uint8]):
    path, image = make(make_package), xr.DataArray(volume, dims=("z", "y", "x"))
    with process.open_model(path, weights="torchscript", device="cpu", time_limit_s=60) as running:
        maps = running.maps(image)
    np.testing.assert_array_equal(maps, Model(open_package(path)).maps(image))


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_of_volumes_is_predicted_volume_by_volume(
    make_package: MakePackage, volume: NDArray[np.uint8], times: int, tmp_path: Path
):
    stack = volume if times == 1 else np.stack([volume, volume[::-1]])
    axes = "ZYX" if times == 1 else "TZYX"
    metadata = {"axes": axes, "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "v.tif", stack, imagej=True, metadata=metadata, resolution=(2.0, 2.0))
    path = make(make_package)
    (done,) = predict_files(path, [tmp_path / "v.tif"], tmp_path / "out", device="cpu")
    assert done.reason == ""
    alone = load_model(path, device="cpu").predict(volume, "zyx")
    with tifffile.TiffFile(done.path) as file:
        assert file.series[0].axes == axes
        assert file.imagej_metadata["spacing"] == 2.0
        found = file.asarray()
    np.testing.assert_array_equal(found if times == 1 else found[0], alone)
    assert done.objects == times * alone.max()


def test_a_package_that_restores_volumes_writes_a_volume(
    make_package: MakePackage, volume: NDArray[np.uint8], tmp_path: Path
):
    tifffile.imwrite(tmp_path / "v.tif", volume, imagej=True, metadata={"axes": "ZYX"})
    path = make(make_package, tags=["denoising"])
    (done,) = predict_files(path, [tmp_path / "v.tif"], tmp_path / "out", device="cpu")
    restored = tifffile.imread(done.path)
    assert (restored.dtype, restored.shape, done.objects) == (np.float32, volume.shape, None)
    np.testing.assert_array_equal(restored, load_model(path, device="cpu").predict(volume, "zyx"))


def test_a_network_of_one_plane_or_more_takes_both(make_package: MakePackage, volume: NDArray[np.uint8]):
    model = load_model(make(make_package, "sigmoid", size={"min": 1, "step": 1}), device="cpu")
    assert model.predict(volume, "zyx").shape == volume.shape
    assert model.predict(volume[6]).shape == volume.shape[1:]


def test_2d_data_and_a_network_that_takes_volumes_do_not_meet(
    make_package: MakePackage, volume: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = make(make_package)
    reason = "takes volumes, with a z of 8 or more; the images are 2D"
    assert contender(str(path)).reason == reason
    with pytest.raises(PackageError, match=reason):
        load_model(path, device="cpu").predict(volume[0])
    tifffile.imwrite(tmp_path / "plane.tif", volume[0])
    for limit in (large.LARGE_PX, 1):
        monkeypatch.setattr(large, "LARGE_PX", limit)
        (done,) = predict_files(path, [tmp_path / "plane.tif"], tmp_path / "out", device="cpu")
        assert done.reason.endswith(reason)
    with pytest.raises(PackageError, match="takes 2D images; this one is a volume"):
        load_model(make_package(at="flat.zip"), device="cpu").predict(volume, "zyx")


def test_a_decoder_of_2d_images_says_so_of_a_volume(make_package: MakePackage, volume: NDArray[np.uint8]):
    model = load_model(make(make_package), device="cpu", decoder="stardist")
    with pytest.raises(PackageError, match="the decoder stardist is for 2D images; this one is a volume"):
        model.predict(volume, "zyx")


def test_a_network_that_gives_no_volume_is_a_reason(make_package: MakePackage, volume: NDArray[np.uint8]):
    def flat(rdf: dict[str, Any]) -> None:
        deep(SIZES)(rdf)
        del rdf["outputs"][0]["axes"][2]

    files = {"test_input.npy": npy(1, 1, 8, 64, 64), "test_output.npy": npy(1, 1, 64, 64)}
    model = Model(open_package(make_package("smooth-volume", edit=flat, files=files)))
    with pytest.raises(PackageError, match="its network answers "):
        model.predict(volume, "zyx")
