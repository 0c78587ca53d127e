"""EmbedSeg's centres beside the medoids' definition, and targets of what a patch cuts."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from skimage.measure import label

from zooscope.data import Dataset
from zooscope_zoo.embedseg.centres import medoids
from zooscope_zoo.embedseg.method import EmbedSeg, EmbedSegConfig

METHOD = EmbedSeg()


def test_centres_of_real_nuclei_are_their_medoids_within_a_pixel(demo: Dataset) -> None:
    checked = 0
    for sample in demo:
        labels = np.asarray(label(sample.target, connectivity=2), np.int32)
        for number, centre in enumerate(medoids(labels), start=1):
            places = np.argwhere(labels == number)
            if len(places) > 1500:  # the definition takes the square of that
                continue
            sums = cdist(places, places).sum(0)
            assert np.abs(places[sums.argmin()] - centre).max() <= 1
            checked += 1
    assert checked > 300


@pytest.mark.parametrize("shape", ["arc", "bar", "pixel"])
def test_a_centre_lies_on_its_object_whatever_the_shape(shape: str) -> None:
    y, x = np.mgrid[:64, :64]
    ring = np.abs(np.hypot(y - 32, x - 32) - 24) < 4
    mask = {"arc": ring & (y < 40), "bar": (np.abs(y - x) < 3), "pixel": (y == 5) & (x == 9)}[shape]
    ((at_y, at_x),) = medoids(mask.astype(np.int32))
    assert mask[at_y, at_x]
    places = np.argwhere(mask)
    sums = cdist(places, places).sum(0)
    assert cdist(places, [[at_y, at_x]]).sum() <= 1.02 * sums.min()


def test_an_object_and_its_mirror_image_beyond_the_border_are_two_instances(demo: Dataset) -> None:
    labels = next(sample for sample in demo if sample.axes == "yx").target
    inner = labels[
        8:72, 8:72
    ]  # what lies within and away from the border would else share a label with its mirror image
    mirrored = np.pad(inner, 40, mode="reflect")
    targets = METHOD.targets(mirrored, np.zeros((0, *mirrored.shape), np.float32), EmbedSegConfig())
    instances, marks = targets
    assert (targets.dtype, marks.sum()) == (np.float32, instances.max())
    for number in range(1, int(instances.max()) + 1):
        assert label(instances == number, connectivity=2).max() == 1
        assert marks[instances == number].sum() == 1
    assert instances.max() > len(np.unique(inner)) - 1
