"""Which padding a package wants is found out from its own test tensors, and rows say which they used."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from zooscope.contender import contender
from zooscope.data import Dataset
from zooscope.errors import WorkerError
from zooscope.model import Model, load_model
from zooscope.package import Package, open_package
from zooscope.padding import Padding, difference_of_labels, find_padding
from zooscope.predict import process

MakePackage = Callable[..., Path]


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("no process is to be started")


def found_here(path: Path) -> Padding:
    """What is found of a package without the time that a process takes to start."""
    model = Model(open_package(path))
    return find_padding(model.package, "torchscript", model.padded_as, None)


def as_core_pads(package: Package, image: np.ndarray) -> np.ndarray:
    """Maps (c, y, x) by bioimageio.core's own pipeline with its default padding."""
    from bioimageio.core import create_prediction_pipeline
    from bioimageio.core.sample import Sample
    from bioimageio.core.tensor import Tensor
    from bioimageio.spec.model.v0_5 import TensorId

    pipeline = create_prediction_pipeline(package.description, devices=["cpu"], weight_format="torchscript")
    tensor = Tensor.from_numpy(image[None, None].astype(np.float32), dims=("batch", "channel", "y", "x"))
    sample = Sample(members={TensorId(package.input.id): tensor}, stat={}, id="a")
    return pipeline.predict_sample_without_blocking(sample).members[TensorId(package.output.id)].data.to_numpy()[0]


@pytest.fixture
def crop(demo: Dataset) -> np.ndarray:
    return next(s for s in demo if s.axes == "yx").image.values[:96, :96].astype(np.float32)


@pytest.fixture
def halo_package(make_package: MakePackage, crop: np.ndarray) -> Path:
    """A package whose test output core made with its default padding."""
    draft = open_package(make_package("convs", halo_px=16, at="draft.zip"))
    files = {"test_input.npy": npy(crop[None, None]), "test_output.npy": npy(as_core_pads(draft, crop)[None])}
    return make_package("convs", halo_px=16, files=files)


def test_a_test_output_made_by_core_with_padding_is_recognised(
    halo_package: Path, crop: np.ndarray, demo: Dataset, fresh_cache: Path
):
    model = load_model(halo_package, device="cpu")
    assert model.padding == "halo"
    image = next(s for s in demo if s.axes == "yx").image
    maps = model.maps(image)
    assert maps.shape == (1, *image.shape)
    np.testing.assert_allclose(maps, as_core_pads(model.package, image.values), atol=1e-6)
    bare = Model(model.package).maps(image)
    assert np.abs(maps - bare).max() > 1e-3, "the padding shows, or this test would prove nothing"


def test_the_row_names_the_padding_that_was_found_in_a_worker(
    halo_package: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    found = contender(str(halo_package))
    assert found.protocol["padding"] == "halo, symmetric@1"
    assert found.about["padding"].startswith("its test output was made with padding: difference ")
    monkeypatch.setattr(process, "ModelProcess", refuse)
    assert contender(str(halo_package)).protocol == found.protocol, "found out once"


def test_the_broad_unet_is_run_bare_and_with_padding_it_answers_as_core_does(
    mirror: Path, demo: Dataset, fresh_cache: Path
):
    path = mirror / "packages" / "unet2d-nuclei-broad-v0.5.zip"
    if not path.is_file():
        pytest.skip(f"{path} is not in the mirror")
    model = load_model(path, device="cpu")
    assert model.padding == "bare"
    image, expected = model.package.test_tensors()
    np.testing.assert_allclose(model.maps(image), expected, atol=1e-5)
    padded = Model(model.package, padding="halo").maps(image)
    np.testing.assert_allclose(padded, as_core_pads(model.package, image.values), atol=2e-6)
    assert np.abs(padded - expected).max() > 0.3


def test_a_test_output_that_neither_gives_is_said_and_the_network_stays_bare(
    make_package: MakePackage, fresh_cache: Path
):
    found = found_here(make_package("convs", halo_px=16))
    assert found.name == "bare"
    assert found.why.startswith("its test output does not tell: difference ")


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"test_output.npy": b"no array"}, "not found out: its test tensor 'test_output.npy' cannot be read"),
        ({"test_input.npy": npy(np.zeros((4, 4), np.float32))}, "not found out: its test tensor 'test_input.npy' has"),
        ({"test_output.npy": npy(np.zeros((1, 1, 32, 32), np.float32))}, "not found out: its test output has shape"),
    ],
)
def test_test_tensors_of_no_use_are_said(
    make_package: MakePackage, files: dict[str, bytes], why: str, fresh_cache: Path
):
    found = found_here(make_package("convs", halo_px=16, files=files))
    assert found.name == "bare"
    assert found.why.startswith(why)


def test_a_package_without_a_halo_has_nothing_to_find_out(make_package: MakePackage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process, "ModelProcess", refuse)
    found = contender(str(make_package("convs")))
    assert "padding" not in found.about
    assert "padding" not in found.protocol


def test_what_limits_kept_from_being_found_out_is_tried_again_with_others(halo_package: Path, fresh_cache: Path):
    package, tries = open_package(halo_package), list[str]()

    def hangs(padding: str) -> Any:
        tries.append(padding)
        raise WorkerError("took longer than 1 s at an image and was stopped")

    for limit in (1, 1, 60):
        found = find_padding(package, "torchscript", hangs, None, limits={"time_limit_s": limit})
        assert found == Padding("bare", "not found out: took longer than 1 s at an image and was stopped")
    assert len(tries) == 2, "once for each limit"
    model = Model(package)
    assert "not found out" not in find_padding(package, "torchscript", model.padded_as, None).why
    assert "not found out" not in find_padding(package, "torchscript", hangs, None, limits={"time_limit_s": 1}).why


@pytest.mark.parametrize(("limit", "share"), [(600, 150), (60, 20), (5, 5)])
def test_a_package_that_hangs_costs_its_time_limit_and_a_share_of_it(
    halo_package: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch, limit: float, share: float
):
    spent = list[float]()

    def hangs(path: Path, *, time_limit_s: float, **_: object) -> Any:
        spent.append(time_limit_s)
        raise WorkerError(f"took longer than {time_limit_s:g} s at an image and was stopped")

    monkeypatch.setattr(process, "ModelProcess", hangs)
    found = contender(str(halo_package), time_limit_s=limit)
    assert found.about["padding"] == f"not found out: took longer than {share:g} s at an image and was stopped"
    assert found.open is not None
    with pytest.raises(WorkerError):
        found.open()
    assert spent == [share, limit]


def test_labels_differ_by_their_pixels_and_not_by_their_numbers():
    labels = np.array([[0, 1, 1], [2, 2, 0]])
    assert difference_of_labels(np.array([[0, 7, 7], [3, 3, 0]]), labels) == 0
    assert difference_of_labels(np.array([[0, 7, 0], [3, 3, 0]]), labels) == pytest.approx(1 / 6)
    assert difference_of_labels(np.array([[0, 7, 7], [7, 7, 0]]), labels) == pytest.approx(2 / 6), "merged"


def test_padding_is_that_of_the_description(make_package: MakePackage, crop: np.ndarray):
    def reflect(rdf: dict[str, Any]) -> None:
        rdf["inputs"][0]["pad"] = {"mode": "reflect"}

    package = open_package(make_package("convs", halo_px=16, edit=reflect))
    assert package.input.pad_mode == "reflect"
    image = xr.DataArray(crop, dims=("y", "x"))
    maps = Model(package, padding="halo").maps(image)
    np.testing.assert_allclose(maps, as_core_pads(package, crop), atol=1e-6)
    symmetric = Model(open_package(make_package("convs", halo_px=16)), padding="halo").maps(image)
    assert np.abs(symmetric - maps).max() > 1e-4


@pytest.mark.parametrize("size", [33, 65, 96, 97])
def test_what_lies_around_the_image_is_cut_off_maps_of_any_grid(make_package: MakePackage, demo: Dataset, size: int):
    image = next(s for s in demo if s.axes == "yx").image[:size, : size + 1]
    package = open_package(make_package("grid2", scale=2.0, halo_px=8))
    bare, padded = (Model(package, padding=padding).maps(image) for padding in ("bare", "halo"))
    assert padded.shape == bare.shape
    finer = open_package(make_package("finer", scale=0.5, halo_px=8))
    bare, padded = (Model(finer, padding=padding).maps(image) for padding in ("bare", "halo"))
    assert padded.shape == bare.shape == (1, 2 * size, 2 * size + 2)
