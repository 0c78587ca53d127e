"""Levels: a package of a stranger that scales by percentiles is undone by exactly what it did, or says why not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zooscope.check import check
from zooscope.contender import contender
from zooscope.data import Dataset, load_dataset
from zooscope.errors import PackageError
from zooscope.model import Model, load_model
from zooscope.package import open_package
from zooscope.sample import Task, as_image

MakePackage = Callable[..., Path]

CONFIG = {"zooscope": {"decoder": {"id": "denormalise", "version": 1, "params": {}}}}


def scale_range(*axes: str, low: float = 3, high: float = 99.8) -> dict[str, Any]:
    return {"id": "scale_range", "kwargs": {"axes": list(axes), "min_percentile": low, "max_percentile": high}}


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    """An image whose values are no whole numbers."""
    return next(iter(load_dataset("demo-noisy"))).image.values


@pytest.mark.parametrize("dtype", [np.float32, np.uint16, np.uint8])
def test_a_network_that_changes_nothing_gives_the_image_back(make_package: MakePackage, noisy: np.ndarray, dtype: type):
    image = noisy if dtype == np.float32 else np.clip(np.rint(noisy), 0, 255).astype(dtype)
    model = load_model(make_package("identity", preprocessing=[scale_range("y", "x")], config=CONFIG), device="cpu")
    found, maps = model.predict(image, return_maps=True)
    np.testing.assert_allclose(found, image, atol=1e-5 * np.ptp(image))
    np.testing.assert_array_equal(maps[0], found)
    scaled = model.maps(as_image(image, axes="yx", source="the test"))
    np.testing.assert_allclose(np.percentile(scaled, (3, 99.8)), (0, 1), atol=1e-5)


def test_percentiles_of_all_channels_together_are_undone_together(make_package: MakePackage, demo: Dataset):
    sample = next(sample for sample in demo if sample.axes == "yxc")
    scaling = [scale_range("channel", "y", "x", low=1)]
    path = make_package("identity", preprocessing=scaling, config=CONFIG, channels_in=3, channels_out=3)
    found = load_model(path, device="cpu").predict(sample.image.values, "yxc")
    np.testing.assert_allclose(found, sample.image.values, atol=1e-3)


def test_where_a_package_wants_its_halo_the_values_are_those_of_the_padded_image(make_package: MakePackage):
    path = make_package("identity", preprocessing=[scale_range("y", "x")], config=CONFIG, halo_px=8)
    ramp = np.add.outer(np.arange(64.0), np.arange(64.0)).astype(np.float32)
    found = Model(open_package(path), padding="halo").predict(ramp)
    np.testing.assert_allclose(found, ramp, atol=1e-3)


@pytest.mark.parametrize(
    "preprocessing",
    [
        [],
        [{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["y", "x"]}}],
        [scale_range("y", "x"), {"id": "clip", "kwargs": {"min": 0.0, "max": 1.0}}],
    ],
)
def test_what_does_not_scale_by_percentiles_alone_cannot_be_undone(
    make_package: MakePackage, noisy: np.ndarray, preprocessing: list[dict[str, Any]]
):
    path = make_package("identity", preprocessing=preprocessing, config=CONFIG)
    reason = "its decoder undoes a scale_range, which is not what its preprocessing does alone"
    assert contender(str(path), task=Task.RESTORATION).reason == reason
    with pytest.raises(PackageError, match=reason):
        load_model(path, device="cpu").predict(noisy)
    assert any(f"cannot rank it: {reason}" in str(finding) for finding in check(path))
