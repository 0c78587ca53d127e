"""Outputs of other shapes than the image: cropped, coarser, finer, with a z of one, in a batch."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zooscope import load_model
from zooscope.data import Dataset
from zooscope.errors import PackageError
from zooscope.package import open_package
from zooscope.predict import tiling
from zooscope.predict.tiling import AxisSize

MakePackage = Callable[..., Path]


def npy(*shape: int) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(0).random(shape, np.float32))
    return buffer.getvalue()


def offset(pixels: int) -> Callable[[dict[str, Any]], None]:
    """The output's size is the input's and so much more (less than 0: less)."""

    def edit(rdf: dict[str, Any]) -> None:
        for axis in rdf["outputs"][0]["axes"][2:]:
            axis["size"]["offset"] = pixels

    return edit


@pytest.fixture
def image(demo: Dataset) -> Any:
    return next(s for s in demo if s.axes == "yx").image


@pytest.mark.parametrize("largest", [1024, 64])
@pytest.mark.parametrize("halo_px", [0, 4])
def test_maps_cropped_by_valid_convolutions_cover_the_whole_image(
    make_package: MakePackage, image: Any, largest: int, halo_px: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tiling, "MAX_TILE_PX", largest)
    files = {"test_output.npy": npy(1, 1, 48, 48)}
    sizes = {"min": 48, "step": 8}
    path = make_package("cropped", sizes=sizes, halo_px=halo_px, edit=offset(-16), files=files)
    model = load_model(path, device="cpu")
    assert model.package.output.margin_px == (8, 8)
    ready, _ = model.package.processing().begin(image.values[None].astype(np.float32))
    np.testing.assert_allclose(model.maps(image), 1 / (1 + np.exp(-ready)), atol=1e-6)


def test_format_0_4_says_the_same_by_the_offset_of_its_shape(make_package: MakePackage, image: Any):
    def cropped(rdf: dict[str, Any]) -> None:
        rdf["outputs"][0]["shape"]["offset"] = [0.0, 0.0, -8.0, -8.0]

    files = {"test_output.npy": npy(1, 1, 48, 48)}
    new = load_model(make_package("cropped", edit=offset(-16), files=files), device="cpu")
    old = load_model(make_package("cropped", spec="0.4.9", edit=cropped, files=files, at="old.zip"), device="cpu")
    assert old.package.output.margin_px == (8, 8)
    np.testing.assert_array_equal(old.maps(image), new.maps(image))


def test_of_two_fixed_sizes_half_the_difference_lies_on_each_side(make_package: MakePackage, image: Any):
    def fixed(rdf: dict[str, Any]) -> None:
        for axis in rdf["outputs"][0]["axes"][2:]:
            axis["size"] = 84

    files = {"test_input.npy": npy(1, 1, 100, 100), "test_output.npy": npy(1, 1, 84, 84)}
    model = load_model(make_package("cropped", sizes=100, edit=fixed, files=files), device="cpu")
    assert (model.package.input.sizes[0], model.package.output.margin_px) == (AxisSize(100), (8, 8))
    ready, _ = model.package.processing().begin(image.values[None].astype(np.float32))
    np.testing.assert_allclose(model.maps(image), 1 / (1 + np.exp(-ready)), atol=1e-6)


def test_an_offset_that_hides_where_the_map_lies_is_a_reason(make_package: MakePackage):
    path = make_package("cropped", edit=offset(-15), files={"test_output.npy": npy(1, 1, 49, 49)})
    with pytest.raises(PackageError, match="its output lacks 15 px of y: where it lies on the image is not said"):
        open_package(path)


def test_a_margin_that_leaves_nothing_of_a_tile_is_a_reason(make_package: MakePackage, image: Any):
    path = make_package("cropped", sizes=64, edit=offset(-64), files={"test_output.npy": npy(1, 1, 48, 48)})
    with pytest.raises(PackageError, match=r"leaves nothing of a tile of 64 px|not a valid BioImage.IO description"):
        load_model(path, device="cpu").maps(image)


def test_an_answer_that_is_not_cropped_as_declared_is_a_reason(make_package: MakePackage, image: Any):
    path = make_package("sigmoid", edit=offset(-16), files={"test_output.npy": npy(1, 1, 48, 48)})
    with pytest.raises(PackageError, match=r"its answer to 272 px is 272 px and lacks 8 px on each side by its desc"):
        load_model(path, device="cpu").maps(image)


def test_a_finer_map_is_stitched_on_its_own_grid(
    make_package: MakePackage, image: Any, monkeypatch: pytest.MonkeyPatch
):
    path = make_package("finer", scale=0.5, halo_px=16, files={"test_output.npy": npy(1, 1, 128, 128)})
    model = load_model(path, device="cpu")
    maps = model.maps(image)
    assert maps.shape == (1, *(2 * size for size in image.shape))
    plain = load_model(make_package(at="plain.zip"), device="cpu").maps(image)
    np.testing.assert_allclose(maps, plain.repeat(2, 1).repeat(2, 2), atol=1e-6)
    labels = model.predict(image.values)
    assert labels.shape == image.shape
    monkeypatch.setattr(tiling, "MAX_TILE_PX", 96)
    np.testing.assert_allclose(model.maps(image), maps, atol=1e-6)


def with_z(size: Any) -> Callable[[dict[str, Any]], None]:
    def edit(rdf: dict[str, Any]) -> None:
        rdf["inputs"][0]["axes"].insert(2, {"type": "space", "id": "z", "size": size})
        rdf["outputs"][0]["axes"].insert(2, {"type": "space", "id": "z", "size": {"tensor_id": "raw", "axis_id": "z"}})

    return edit


@pytest.mark.parametrize("size", [1, {"min": 1, "step": 1}], ids=["one", "one or more"])
def test_a_package_for_volumes_runs_where_z_may_be_one(make_package: MakePackage, image: Any, size: Any):
    files = {"test_input.npy": npy(1, 1, 1, 64, 64), "test_output.npy": npy(1, 1, 1, 64, 64)}
    model = load_model(make_package(edit=with_z(size), files=files), device="cpu")
    assert (model.package.input.axes, model.package.output.axes) == ("bczyx", "bczyx")
    plain = load_model(make_package(at="plain.zip"), device="cpu")
    np.testing.assert_allclose(model.maps(image), plain.maps(image), atol=1e-6)


def test_a_batch_of_more_than_one_is_refused_by_the_format_itself(make_package: MakePackage):
    def four(rdf: dict[str, Any]) -> None:
        rdf["inputs"][0]["shape"] = [4, 1, 64, 64]

    with pytest.raises(
        PackageError, match=r"not a valid BioImage\.IO description: .*has to be 1 in the batch dimension"
    ):
        open_package(make_package(spec="0.4.9", edit=four))
