"""The usual operations, run on plain arrays, beside bioimageio.core's own: equal to the last bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.model import find_package
from zooscope.operations import usual
from zooscope.package import Package, open_package

MakePackage = Callable[..., Path]

WHOLE, BY_CHANNEL, OF_BATCH = ["channel", "y", "x"], ["y", "x"], ["batch", "y", "x"]


def operation(id: str, **kwargs: Any) -> dict[str, Any]:
    return {"id": id, "kwargs": kwargs} if kwargs else {"id": id}


def scale_range(axes: list[str] | None, low: float = 1, high: float = 99.8) -> dict[str, Any]:
    return operation("scale_range", min_percentile=low, max_percentile=high, **({"axes": axes} if axes else {}))


PREPROCESSING = {
    "percentiles of the image": [scale_range(WHOLE)],
    "percentiles of each channel": [scale_range(BY_CHANNEL, 3, 60)],
    "percentiles along x alone": [scale_range(["x"])],
    "percentiles over a batch": [scale_range(OF_BATCH)],
    "percentiles over a data set": [scale_range(None, 0, 100)],
    "moments of the image": [operation("zero_mean_unit_variance", axes=WHOLE)],
    "moments of each channel": [operation("zero_mean_unit_variance", axes=["x", "y"])],
    "moments over a batch": [operation("zero_mean_unit_variance", axes=OF_BATCH)],
    "moments over a data set": [operation("zero_mean_unit_variance")],
    "statistics are those of the image before anything": [
        operation("scale_linear", gain=0.01, offset=-0.3),
        scale_range(WHOLE),
        operation("clip", min=0, max=1),
    ],
    "clip at percentiles": [operation("clip", min_percentile=2, max_percentile=98, axes=BY_CHANNEL)],
    "clip from one number": [operation("clip", max=100.5)],
    "linear": [operation("scale_linear", gain=0.37, offset=1.7)],
    "linear of each channel": [
        operation("scale_linear", axis="channel", gain=[0.1, 0.2, 0.3], offset=[3, 2, 1]),
    ],
    "fixed": [operation("fixed_zero_mean_unit_variance", mean=103.5, std=57.1)],
    "fixed of each channel": [
        operation("fixed_zero_mean_unit_variance", axis="channel", mean=[101.0, 102.0, 103.0], std=[11.0, 12.0, 13.0])
    ],
    "binarize": [operation("binarize", threshold=33.5)],
    "sigmoid": [operation("scale_linear", gain=0.05, offset=-5), operation("sigmoid")],
    "a dtype between": [operation("scale_linear", gain=0.5), operation("ensure_dtype", dtype="uint8")],
}
POSTPROCESSING = [
    operation("scale_linear", gain=3, offset=0.1),
    operation("sigmoid"),
    operation("clip", min=0.2, max=0.9),
    operation("binarize", threshold=0.5),
]


def by_core(package: Package, image: NDArray[Any], maps: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """What bioimageio.core makes of an image, and of maps (c, y, x)."""
    from bioimageio.core.proc_setup import setup_pre_and_postprocessing
    from bioimageio.core.sample import Sample
    from bioimageio.core.tensor import Tensor
    from bioimageio.spec.model.v0_5 import TensorId

    operations = setup_pre_and_postprocessing(package.description, dataset_for_initial_statistics=())
    dims = ("batch", "channel", "y", "x")
    given, out = TensorId(package.input.id), TensorId(package.output.id)
    array = image[None].astype(package.input.dtype)
    sample = Sample(members={given: Tensor.from_numpy(array, dims=dims)}, stat={}, id=None)
    for step in operations.pre:
        step(sample)
    sample.members[out] = Tensor.from_numpy(maps[None], dims=dims)
    for step in operations.post:
        if "Stardist" not in type(step).__name__:
            step(sample)
    return tuple(sample.members[id].data.to_numpy()[0].astype(np.float32) for id in (given, out))


def images(demo: Dataset, channels: int) -> list[NDArray[Any]]:
    """A gray and a coloured image, as they came, of 16 bits, and of fractions of both signs."""
    chosen = [to_channels(next(s for s in demo if s.axes == axes).image, channels) for axes in ("yx", "yxc")]
    own = [array.astype(np.float32) * np.float32(0.37) - np.float32(9) for array in chosen]
    return [*chosen, *(array.astype(np.uint16) * np.uint16(211) for array in chosen), *own]


def check_equal(package: Package, image: NDArray[Any]) -> None:
    maps = np.random.default_rng(0).normal(size=(1, 40, 50)).astype(np.float32)
    processing = package.processing()
    assert processing.runs_plain
    ready, finish = processing.begin(image)
    expected, expected_maps = by_core(package, image, maps)
    assert ready.dtype == np.float32
    np.testing.assert_array_equal(ready, expected)
    np.testing.assert_array_equal(finish(maps), expected_maps)


@pytest.mark.parametrize("what", PREPROCESSING)
@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_an_operation_gives_cores_own_bits(make_package: MakePackage, demo: Dataset, what: str, dtype: str) -> None:
    def declared(rdf: dict[str, Any]) -> None:
        rdf["inputs"][0]["data"] = {"type": dtype}

    package = open_package(
        make_package(channels_in=3, preprocessing=PREPROCESSING[what], postprocessing=POSTPROCESSING[:3], edit=declared)
    )
    for image in images(demo, 3):
        if dtype == "float32" or image.dtype != np.float32:
            check_equal(package, image)


def test_postprocessing_may_end_in_yes_and_no(make_package: MakePackage, demo: Dataset) -> None:
    package = open_package(make_package(postprocessing=POSTPROCESSING))
    check_equal(package, images(demo, 1)[0])


@pytest.mark.parametrize("name", ["stardist-dsb2018", "unet-dsb2018", "nuclei-tiny"])
def test_shipped_models_are_normalised_as_core_does(name: str, demo: Dataset) -> None:
    package = open_package(find_package(name))
    for image in images(demo, package.input.channels):
        check_equal(package, image)


@pytest.mark.parametrize("name", ["unet2d-nuclei-broad-v0.4", "unet2d-nuclei-broad-v0.5"])
def test_foreign_packages_are_normalised_as_core_does(name: str, demo: Dataset, mirror: Path) -> None:
    path = mirror / "packages" / f"{name}.zip"
    if not path.is_file():
        pytest.skip(f"{path} is not in the mirror")
    package = open_package(path)
    for image in images(demo, 1):
        check_equal(package, image)


@pytest.mark.parametrize(
    "change",
    [
        {"preprocessing": [operation("softmax", axis="channel")]},
        {"postprocessing": [operation("softmax", axis="channel")]},
        {"postprocessing": [operation("scale_mean_variance", reference_tensor="raw", axes=["y", "x"])]},
    ],
    ids=["softmax before", "softmax after", "statistics of maps"],
)
def test_anything_else_is_left_to_core(make_package: MakePackage, change: dict[str, Any]) -> None:
    package = open_package(make_package(**change))
    assert not package.processing().runs_plain


@pytest.mark.parametrize("what", [key for key in PREPROCESSING if "batch" not in key and "along" not in key])
def test_tensors_of_torch_are_processed_alike(make_package: MakePackage, demo: Dataset, what: str) -> None:
    """As on a GPU; here they lie on the CPU."""
    from bioimageio.core.proc_setup import setup_pre_and_postprocessing

    package = open_package(make_package(channels_in=3, preprocessing=PREPROCESSING[what]))
    operations = setup_pre_and_postprocessing(package.description, dataset_for_initial_statistics=())
    dims = ("batch", "channel", "y", "x")
    found = usual(operations.pre, operations.post, member=package.input.id, dims=dims, out_dims=dims)
    assert found is not None
    for image in images(demo, 3):
        array = np.ascontiguousarray(image[None], np.float32)
        tensor = torch.from_numpy(array)
        stat, tensor_stat = found.measured(array, image), found.measured(tensor)
        for step in found.pre:
            array, tensor = step(array, stat), step(tensor, tensor_stat)
        # core sums in float32, a few 1e-4 off in standard units; the tensor's moments are exact
        tolerance = 1e-3 if "moments" in what else 2e-5
        np.testing.assert_allclose(tensor.numpy(), array, rtol=tolerance, atol=tolerance)
