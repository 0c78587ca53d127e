"""cellpose-flows: the objects that Cellpose itself makes of the same maps, and the labels that flows were made of."""

from pathlib import Path

import numpy as np
import pytest
import torch

from zooscope.data import Dataset
from zooscope.decode.cellpose_flows import decode, flows_of_labels
from zooscope.metrics import measure

CUDA = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]


@pytest.fixture(scope="module")
def truth(demo: Dataset) -> np.ndarray:
    return next(s for s in demo if s.axes == "yx" and s.target.max() > 30).target[:160, :160]


def maps_of(labels: np.ndarray) -> np.ndarray:
    """What a perfect network would say of them."""
    return np.concatenate([5 * flows_of_labels(labels), np.where(labels > 0, 4, -4)[None]]).astype(np.float32)


def test_objects_are_those_of_cellpose_3_1():
    """Made by tools/cellpose_reference.py: cellpose 3.1.1.2 on flows with noise."""
    stored = np.load(Path(__file__).parent / "cellpose_reference.npz")
    theirs = stored["labels"].astype(np.int32)
    ours, _ = decode(stored["maps"].astype(np.float32) / 20, theirs.shape)
    assert ours.max() == theirs.max() > 20
    record = measure(ours, theirs)
    assert record["tp95"] == record["true"]
    overlaps = []
    for number in range(1, theirs.max() + 1):
        own = ours == np.bincount(ours[theirs == number]).argmax()
        overlaps.append((own & (theirs == number)).sum() / (own | (theirs == number)).sum())
    assert np.mean(overlaps) >= 0.99


def test_labels_are_found_again_from_their_own_flows(truth: np.ndarray):
    labels, objects = decode(maps_of(truth), truth.shape)
    record = measure(labels, truth)
    assert record["tp75"] >= 0.95 * record["true"]
    assert len(objects["score"]) == labels.max()
    assert np.unique(labels).tolist() == list(range(labels.max() + 1))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=CUDA)])
def test_pixels_can_follow_their_flows_on_any_device(truth: np.ndarray, device: str):
    expected, _ = decode(maps_of(truth), truth.shape)
    labels, _ = decode(maps_of(truth), truth.shape, device=device)
    record = measure(labels, expected)
    assert record["tp95"] == record["true"] == record["predicted"]


def test_an_unknown_device_is_refused(truth: np.ndarray):
    with pytest.raises(RuntimeError, match="nowhere"):
        decode(maps_of(truth), truth.shape, device="nowhere")


def test_flows_lead_to_the_middle_and_have_length_one():
    disc = (np.hypot(*np.mgrid[-20:21, -20:21]) < 15).astype(np.int32)
    flows = flows_of_labels(disc)
    inside = disc > 0
    inside[20, 20] = False
    outwards = np.mgrid[-20:21, -20:21] / np.maximum(np.hypot(*np.mgrid[-20:21, -20:21]), 1)
    assert (flows * outwards).sum(0)[inside].max() < -0.7
    np.testing.assert_allclose(np.hypot(*flows)[inside], 1, atol=1e-5)
    assert not flows[:, disc == 0].any()


def test_an_object_whose_flows_are_wrong_is_dropped_unless_all_are_kept(truth: np.ndarray):
    maps = maps_of(truth)
    half = maps.copy()
    half[:2] *= 0.1  # still leads to the middle, but is not what a shape gives
    kept, _ = decode(half, truth.shape, flow_threshold=0.0)
    dropped, _ = decode(half, truth.shape, flow_threshold=0.4)
    assert kept.max() > 0
    assert dropped.max() == 0


def test_small_objects_and_an_empty_image_are_no_trouble(truth: np.ndarray):
    small, _ = decode(maps_of(truth), truth.shape, min_size_px=0)
    large, _ = decode(maps_of(truth), truth.shape, min_size_px=200)
    assert 0 < large.max() < small.max()
    assert np.bincount(large.ravel())[1:].min() >= 200
    nothing, objects = decode(np.full((3, 20, 30), -5, np.float32), (20, 30))
    assert (nothing.max(), nothing.shape, len(objects["score"])) == (0, (20, 30), 0)


def test_maps_of_other_channels_are_refused():
    with pytest.raises(ValueError, match="2 channels; flow y, flow x and cell probability are expected"):
        decode(np.zeros((2, 8, 8), np.float32), (8, 8))
