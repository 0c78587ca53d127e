"""A model as a tool's author meets it: load, predict, labels of the image's own size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zooscope
from zooscope.data import Dataset
from zooscope.errors import DataError, PackageError, UsageError
from zooscope.model import Model
from zooscope.sources import find_package

MakePackage = Callable[..., Path]


@pytest.fixture
def model(make_package: MakePackage) -> Model:
    return zooscope.load_model(make_package("twice", channels_out=2), device="cpu")


def test_labels_are_int32_of_the_images_size_and_maps_on_request(model: Any, demo: Dataset):
    sample = next(s for s in demo if s.axes == "yx")
    labels = model.predict(sample.image.values)
    assert (labels.dtype, labels.shape) == (np.int32, sample.target.shape)
    again, maps = model.predict(sample.image.values, return_maps=True)
    np.testing.assert_array_equal(again, labels)
    assert (maps.dtype, maps.shape) == (np.float32, (2, *sample.target.shape))
    assert ((labels > 0) == (sample.target > 0)).mean() > 0.85
    assert labels.max() > 5


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_the_dtype_of_an_image_does_not_matter(model: Any, demo: Dataset, dtype: type):
    image = next(s for s in demo if s.axes == "yx").image.values
    np.testing.assert_array_equal(model.predict(image.astype(dtype)), model.predict(image))


def test_colour_goes_in_as_yxc(model: Any, demo: Dataset):
    sample = next(s for s in demo if s.axes == "yxc")
    assert model.predict(sample.image.values, "yxc").shape == sample.target.shape
    with pytest.raises(DataError, match=r"the array: an array of shape .* with axes 'yx'"):
        model.predict(sample.image.values)


def test_what_is_no_image_is_refused(model: Any):
    with pytest.raises(DataError, match="the array: the image holds NaN or infinity"):
        model.predict(np.full((80, 80), np.nan))
    with pytest.raises(DataError, match=r"the array: the image of shape .* has no pixels"):
        model.predict(np.zeros((0, 10)))


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_an_even_image_is_no_trouble(model: Any, value: int):
    assert model.predict(np.full((70, 66), value, np.uint16)).shape == (70, 66)


def test_the_callers_image_is_left_alone(model: Any, demo: Dataset):
    image = next(s for s in demo if s.axes == "yx").image.values.astype(np.float32)
    kept = image.copy()
    model.predict(image)
    np.testing.assert_array_equal(image, kept)


def test_parameters_of_the_decoder_may_be_given(make_package: MakePackage, demo: Dataset):
    decoder = {"id": "threshold-components", "version": 1, "params": {"threshold": 0.9}}
    model = zooscope.load_model(make_package(config={"zooscope": {"decoder": decoder}}), device="cpu")
    image = next(s for s in demo if s.axes == "yx").image.values
    own, low = model.predict(image), model.predict(image, threshold=0.1)
    np.testing.assert_array_equal(own, model.predict(image, threshold=0.9))
    assert (low > 0).sum() > (own > 0).sum()


def test_axes_in_another_order_give_the_same(make_package: MakePackage, demo: Dataset):
    image = next(s for s in demo if s.axes == "yx").image
    first, last = (zooscope.load_model(make_package(name), device="cpu") for name in ("sigmoid", "channels-last"))
    assert (first.package.input.axes, last.package.input.axes) == ("bcyx", "byxc")
    assert last.package.output.axes == "byxc"
    np.testing.assert_allclose(first.maps(image), last.maps(image), atol=1e-6)


def test_formats_0_4_and_0_5_of_a_network_give_the_same(make_package: MakePackage, demo: Dataset):
    image = next(s for s in demo if s.axes == "yxc").image
    new = zooscope.load_model(make_package(halo_px=8), device="cpu")
    old = zooscope.load_model(make_package(spec="0.4.9", at="old.zip", halo_px=8), device="cpu")
    assert new.package.output == old.package.output
    np.testing.assert_allclose(new.maps(image), old.maps(image), atol=1e-6)


def test_a_model_without_batch_and_channel_axes_works(make_package: MakePackage, demo: Dataset):
    def plain(rdf: dict[str, Any]) -> None:
        for tensor in (*rdf["inputs"], *rdf["outputs"]):
            tensor["axes"] = [axis for axis in tensor["axes"] if axis["type"] == "space"]

    import io

    array = io.BytesIO()
    np.save(array, np.random.default_rng(0).random((64, 64), np.float32))
    files = {"test_input.npy": array.getvalue(), "test_output.npy": array.getvalue()}
    image = next(s for s in demo if s.axes == "yx").image
    plain_model = zooscope.load_model(make_package(edit=plain, files=files), device="cpu")
    assert plain_model.package.input.axes == plain_model.package.output.axes == "yx"
    expected = zooscope.load_model(make_package(at="b.zip"), device="cpu").maps(image)
    np.testing.assert_allclose(plain_model.maps(image), expected, atol=1e-6)


def test_postprocessing_runs_on_the_stitched_maps(make_package: MakePackage, demo: Dataset):
    image = next(s for s in demo if s.axes == "yx").image
    linear = {"id": "scale_linear", "kwargs": {"gain": 2.0, "offset": 1.0}}
    plain = zooscope.load_model(make_package(), device="cpu").maps(image)
    scaled = zooscope.load_model(make_package(at="b.zip", postprocessing=[linear]), device="cpu").maps(image)
    np.testing.assert_allclose(scaled, 2 * plain + 1, atol=1e-6)


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("nan", "its answer holds NaN or infinity"),
        ("cropped", "its answer to 256 px is 240 px: neither"),
        ("scalar", "its network answers with 1 dimensions; it declares 'bcyx'"),
        ("raises", "the network is out of order"),
    ],
)
def test_a_network_that_does_not_answer_with_maps_has_a_reason(
    make_package: MakePackage, demo: Dataset, network: str, reason: str
):
    model = zooscope.load_model(make_package(network), device="cpu")
    with pytest.raises(PackageError, match=reason):
        model.predict(demo[demo.ids[0]].image.values)


@pytest.mark.parametrize(
    ("network", "declared", "reason"),
    [
        ("sigmoid", {"channels_out": 2}, "its network gives 1 channel, it declares 2"),
        ("twice", {}, "its network gives 2 channels, it declares 1"),
        ("grid2", {}, "its network gives 128 px along y for 256, it declares the size of the image"),
        ("sigmoid", {"scale": 2.0}, "its network gives 256 px along y for 256, it declares 0.5 of the image"),
        ("sigmoid", {"scale": 0.5, "spec": "0.4.9"}, "its network gives 256 px along y for 256, it declares 0.5 of"),
    ],
)
def test_an_answer_of_another_shape_than_declared_is_a_reason(
    make_package: MakePackage, demo: Dataset, network: str, declared: dict[str, Any], reason: str
):
    model = zooscope.load_model(make_package(network, **declared), device="cpu")
    with pytest.raises(PackageError, match=f"^{reason}"):
        model.predict(next(s for s in demo if s.axes == "yx").image.values)


def test_a_package_that_cannot_run_says_where_it_lies_and_why(make_package: MakePackage):
    path = make_package(files={"weights.pt": b"damaged"})
    with pytest.raises(PackageError) as error:
        zooscope.load_model(path, device="cpu")
    assert str(error.value).startswith(f"{path}: its torchscript weights are damaged")


def test_a_name_that_is_no_model_is_named_beside_those_that_are():
    with pytest.raises(UsageError, match=r"model 'nuclei-tinny' does not exist: .*one of the shipped: .*nuclei-tiny"):
        find_package("nuclei-tinny")


def test_five_channels_are_a_reason(make_package: MakePackage, demo: Dataset):
    import io

    array = io.BytesIO()
    np.save(array, np.zeros((1, 5, 64, 64), np.float32))
    model = zooscope.load_model(make_package(channels_in=5, files={"test_input.npy": array.getvalue()}), device="cpu")
    with pytest.raises(PackageError, match="takes 5 channels; the images are gray or RGB"):
        model.predict(demo[demo.ids[0]].image.values)
