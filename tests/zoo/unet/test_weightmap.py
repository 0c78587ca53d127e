import numpy as np
from scipy import ndimage

from zooscope.data import Dataset
from zooscope_zoo.unet.weightmap import weight_map


def test_it_is_ronnebergers_formula_taken_literally(demo: Dataset) -> None:
    labels = next(sample for sample in demo if sample.axes == "yx").target[:96, :96]
    ids = [id for id in np.unique(labels) if id]
    assert len(ids) > 3
    distances = np.sort([ndimage.distance_transform_edt(labels != id) for id in ids], axis=0)
    expected = np.where(labels > 0, 1, 1 + 10 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * 5.0**2)))
    np.testing.assert_allclose(weight_map(labels), expected, atol=5e-3)


def test_one_object_and_none_weigh_nothing_more() -> None:
    labels = np.zeros((40, 40), np.int32)
    assert (weight_map(labels) == 1).all()
    labels[10:20, 10:20] = 7
    assert (weight_map(labels) == 1).all()
