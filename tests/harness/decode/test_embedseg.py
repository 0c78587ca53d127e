"""embedseg: the objects of the papers' sequential clustering over the whole image, on maps of real nuclei."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from zooscope.data import Dataset
from zooscope.decode.embedseg import decode
from zooscope.metrics import measure

Array = NDArray[np.float32]


def maps_of(labels: NDArray[np.int32], *, error_px: float, seed: int = 0) -> Array:
    """What a network that errs by so much, smoothly from pixel to pixel, would say of labels (y, x)."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(labels.shape)
    numbers = np.arange(1, labels.max() + 1)
    centres = np.array([[0.0, 0.0], *ndimage.center_of_mass(labels > 0, labels, numbers)])[labels]
    depth = np.asarray(ndimage.distance_transform_edt(labels > 0))
    margin = 0.6 * np.sqrt(np.bincount(labels.ravel()) / np.pi)[labels]
    noise = ndimage.gaussian_filter(rng.standard_normal((5, *labels.shape)), (0, 2, 2))
    noise /= noise.std()
    inside = labels > 0
    offsets = [
        np.where(inside, at - place, 0) + error_px * n
        for at, place, n in zip(centres.transpose(2, 0, 1), (y, x), noise[:2], strict=True)
    ]
    margins = [np.maximum(margin, 1) * np.exp(0.1 * n) for n in noise[2:4]]
    score = np.clip(np.where(inside, 0.6 + 0.1 * np.minimum(depth, 3), 0.1) + 0.05 * noise[4], 0, 1)
    return np.stack([score, *offsets, *margins]).astype(np.float32)


def naive(
    maps: Array, *, threshold: float, seed_threshold: float, min_size_px: int, min_unclustered: float
) -> tuple[NDArray[np.int32], list[float]]:
    """Lalit et al. 2022, section 3.3, with phi of the whole foreground at each step; the last object has a pixel."""
    seed, *_ = maps.astype(np.float64)
    foreground = seed > threshold
    embedded = np.indices(seed.shape) + maps[1:3]
    bandwidth = np.log(2) / maps[3:].astype(np.float64) ** 2
    free, labels, scores = foreground.copy(), np.zeros(seed.shape, np.int32), list[float]()
    while True:
        left = np.where(free, seed, -1)
        best = np.unravel_index(left.argmax(), left.shape)
        if left[best] <= seed_threshold:
            return labels, scores
        away = (embedded - embedded[(slice(None), *best)][:, None, None]) ** 2
        phi = np.exp(-(away * bandwidth[(slice(None), *best)][:, None, None]).sum(0))
        cluster = foreground & (phi > 0.5)
        free[best] = False
        share = (cluster & free).sum() / cluster.sum()
        free &= ~cluster
        if cluster.sum() >= min_size_px and share > min_unclustered:
            scores.append(float(seed[best]))
            labels[cluster] = len(scores)


@pytest.fixture(scope="module")
def crowd(demo: Dataset) -> NDArray[np.int32]:
    return max((s for s in demo if s.axes == "yx"), key=lambda s: int(s.target.max())).target


@pytest.mark.parametrize("error_px", [0.5, 2.0, 6.0])
@pytest.mark.parametrize("min_unclustered", [0.0, 0.5])
def test_objects_are_those_of_the_algorithm_that_looks_at_the_whole_image_each_time(
    crowd: NDArray[np.int32], error_px: float, min_unclustered: float
) -> None:
    maps = maps_of(crowd, error_px=error_px)
    settings = {"threshold": 0.5, "seed_threshold": 0.6, "min_size_px": 8, "min_unclustered": min_unclustered}
    ours, objects = decode(maps, crowd.shape, **settings)
    theirs, scores = naive(maps, **settings)  # type: ignore[arg-type]
    left = np.unique(theirs[theirs > 0])  # later objects may have taken all of some
    assert ours.max() == len(left) > 50
    np.testing.assert_allclose(objects["score"], np.array(scores)[left - 1], atol=1e-6)
    pairs = [(ours == number, theirs == its) for number, its in enumerate(left, start=1)]
    overlaps = [(a & b).sum() / (a | b).sum() for a, b in pairs]
    assert np.mean(overlaps) >= 0.99


def test_nuclei_that_touch_come_apart(crowd: NDArray[np.int32]) -> None:
    blob, _ = ndimage.label(crowd > 0)  # type: ignore[misc]
    touching = [n for n in range(1, crowd.max() + 1) if len(np.unique(crowd[blob == blob[crowd == n][0]])) > 1]
    assert len(touching) > 10
    labels, _ = decode(maps_of(crowd, error_px=1), crowd.shape)
    record = measure(labels, crowd)
    assert record["tp50"] > 0.9 * record["true"]


def test_small_clusters_and_leftovers_of_others_are_no_objects(crowd: NDArray[np.int32]) -> None:
    maps = maps_of(crowd, error_px=4)
    every, _ = decode(maps, crowd.shape, seed_threshold=0.6, min_size_px=0, min_unclustered=0)
    large, _ = decode(maps, crowd.shape, seed_threshold=0.6, min_size_px=50, min_unclustered=0)
    whole, _ = decode(maps, crowd.shape, seed_threshold=0.6, min_size_px=0, min_unclustered=0.8)
    assert 0 < large.max() < every.max()
    assert (large == large.max()).sum() >= 50 > (every == every.max()).sum(), "nothing is taken from the last one"
    assert 0 < whole.max() < every.max()


def test_maps_of_half_the_size_give_nearly_the_same_objects(crowd: NDArray[np.int32]) -> None:
    maps = maps_of(crowd, error_px=0.5)
    half = maps[:, ::2, ::2] / np.array([1, 2, 2, 2, 2], np.float32)[:, None, None]
    record = measure(decode(half, crowd.shape)[0], decode(maps, crowd.shape)[0])
    assert record["tp50"] > 0.8 * record["true"]


def test_an_image_without_foreground_has_no_objects_and_other_channels_are_refused() -> None:
    labels, objects = decode(np.zeros((5, 16, 24), np.float32), (16, 24))
    assert (labels.max(), labels.shape, len(objects["score"])) == (0, (16, 24), 0)
    with pytest.raises(ValueError, match="4 channels; seed, offset y and x, margin y and x are expected"):
        decode(np.zeros((4, 8, 8), np.float32), (8, 8))
