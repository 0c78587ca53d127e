import numpy as np
import pytest
import torch
import xarray as xr

from zooscope.data import Dataset
from zooscope.resampling import scaled_image, scaled_labels, scaled_shape


@pytest.mark.parametrize("factor", [0.25, 0.37, 0.5, 1.3, 2.0, 4.0])
def test_images_are_resampled_as_torch_does_it(demo: Dataset, factor: float) -> None:
    for sample in list(demo)[2:5]:
        found = scaled_image(sample.image, factor)
        assert found.shape == scaled_shape(sample.image.shape, factor)
        channels = sample.image.values.reshape(*sample.image.shape[:2], -1).astype(np.float32)
        reference = torch.nn.functional.interpolate(
            torch.from_numpy(channels).permute(2, 0, 1)[None], found.shape[:2], mode="bilinear", antialias=True
        )
        expected = reference[0].permute(1, 2, 0).numpy().reshape(found.shape)
        np.testing.assert_allclose(found.values, expected, atol=2e-3)


def test_labels_enlarged_and_shrunk_again_are_what_they_were(demo: Dataset) -> None:
    for sample in demo:
        larger, _ = scaled_labels(sample.target, {}, scaled_shape(sample.target.shape, 2))
        again, _ = scaled_labels(larger, {}, sample.target.shape)
        assert (again == sample.target).mean() > 0.999


def test_an_enlarged_disc_is_rounder_than_one_of_squares() -> None:
    y, x = np.indices((16, 16))
    disc = ((y - 7.5) ** 2 + (x - 7.5) ** 2 <= 6**2).astype(np.int32)
    larger, _ = scaled_labels(disc, {}, (64, 64))
    y, x = (np.indices((64, 64)) - 31.5) / 4
    truth, squares = y**2 + x**2 <= 6**2, np.kron(disc, np.ones((4, 4))) > 0
    assert ((larger > 0) ^ truth).sum() < 0.8 * (squares ^ truth).sum()


def test_an_object_that_vanishes_takes_its_score_along() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[2:12, 2:12], labels[20, 20], labels[25:38, 25:38] = 1, 2, 3
    smaller, objects = scaled_labels(labels, {"score": np.array([0.9, 0.5, 0.7])}, (10, 10))
    assert np.unique(smaller).tolist() == [0, 1, 2]
    assert objects["score"].tolist() == [0.9, 0.7]


def test_an_image_of_its_own_size_is_left_alone(demo: Dataset) -> None:
    image: xr.DataArray = demo[demo.ids[0]].image
    assert scaled_image(image, 1.0) is image
