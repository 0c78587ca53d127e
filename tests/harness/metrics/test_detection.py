"""Boxes with scores: equal to pycocotools where boxes crowd, and counted one to one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from zooscope.metrics import boxes, detection
from zooscope.metrics.average_precision import average_precision
from zooscope.metrics.coco import PROTOCOLS

NAN = np.nan
# What pycocotools 2.0.11 says of crowded boxes of the demo's test split, printed by `python tools/coco_reference.py
# demo`; in the order of `test_coco.PYCOCOTOOLS`.
PYCOCOTOOLS = {
    ("coco", True): (
        0.053677831841769, 0.196910398144599, 0.008588573525636, 0.008895705521472, 0.040184049079755,
        0.229447852760736, 0.049232773399564, 0.193906810035842, 0.145653106935535, 0.440425531914894, NAN, NAN,
    ),
    ("coco", False): (
        0.032061006853398, 0.125137738925358, 0.004440012346558, 0.001226993865031, 0.030368098159509,
        0.202760736196319, 0.024797854683655, 0.163799283154122, 0.159601435236251, 0.434042553191489, NAN, NAN,
    ),
    ("livecell", True): (
        0.063750511368791, 0.241779475803497, 0.007864757127631, 0.229447852760736, 0.267791411042945,
        0.267791411042945, 0.045056237914030, 0.216107382550336, 0.147753392136420, 0.268148148148148,
        0.130182900470145, 0.405769230769231,
    ),
    ("livecell", False): (
        0.049240759052738, 0.193945592333109, 0.004680468046805, 0.202760736196319, 0.267791411042945,
        0.267791411042945, 0.030262064707200, 0.216107382550336, 0.105426157724199, 0.268148148148148,
        0.138109166179035, 0.405769230769231,
    ),
}  # fmt: skip


def crowded(answer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Boxes that overlap: three about each object found, and true ones larger by 3 px, as in the tool."""
    found = boxes.around(answer.found)
    moved = [found, found + 0.7, found + np.array([-1.5, 0.2, 3.4, 1])]
    return np.concatenate(moved), boxes.around(answer.truth) + np.array([-3, -3, 3, 3])


@pytest.mark.parametrize(("protocol", "scored"), PYCOCOTOOLS)
def test_crowded_boxes_score_as_in_pycocotools(protocol: str, scored: bool, answers: Sequence[Any]):
    records = []
    for answer in answers:
        scores = np.tile(answer.scores, 3) if scored else None
        records.append(detection.match(*crowded(answer), protocol=PROTOCOLS[protocol], scores=scores))
    found = average_precision(records)
    assert next(iter(found)) == f"{protocol}-detection-ap-{'own' if scored else 'constant'}-score.pooled@1"
    np.testing.assert_allclose(list(found.values()), PYCOCOTOOLS[protocol, scored], rtol=0, atol=1e-12)


def test_counts_are_those_of_an_assignment_of_all_boxes(answers: Sequence[Any]):
    for answer in answers:
        found, truth = crowded(answer)
        record = detection.measure(found, truth)
        close = np.zeros((len(truth), len(found)))
        i, j, _ = boxes.overlapping(truth, found, least_iou=0.5)
        close[i, j] = 1
        rows, columns = linear_sum_assignment(close, maximize=True)
        assert record == {"true": len(truth), "predicted": len(found), "tp50": close[rows, columns].sum()}


def test_as_many_boxes_as_possible_are_matched_one_to_one():
    truth = np.array([[0, 0, 10, 10], [0, 4, 10, 14]], float)
    found = np.array([[0, 2, 10, 12], [0, 0, 10, 10]], float)  # the first reaches both, the second only the first
    assert detection.measure(found, truth)["tp50"] == 2


def test_a_detection_takes_a_true_box_within_the_range_of_areas_before_a_better_one_beyond_it():
    truth = np.array([[0, 0, 33, 33], [0, 0, 31, 31]], float)  # 1089: medium, 961: small
    found = np.array([[0, 0, 32.9, 32.9]])  # 1082
    record = detection.match(found, truth)
    assert record.outcome[:, 0].tolist() == [
        [1],
        [1],
        [1],
        [0],
    ]  # large: neither counts
    only = detection.match(found, truth[:1])
    assert only.outcome[1, 0].tolist() == [0]


@pytest.mark.parametrize(
    ("found", "truth", "expected"),
    [(0, 0, (1.0, 1.0, 1.0)), (0, 2, (0.0, 1.0, 0.0)), (2, 0, (0.0, 0.0, 1.0)), (2, 2, (1.0, 1.0, 1.0))],
    ids=["nothing to find and nothing found", "nothing found", "nothing to find", "all found"],
)
def test_empty_images_are_defined(found: int, truth: int, expected: tuple[float, float, float]):
    some = np.array([[0, 0, 1, 1], [5, 5, 6, 6]])
    record = {name: np.array([value]) for name, value in detection.measure(some[:found], some[:truth]).items()}
    by_name = {metric.name: metric.reduce(record) for metric in detection.metrics()}
    names = ("box-f1-50.per-image@1", "box-precision50.per-image@1", "box-recall50.per-image@1")
    assert tuple(by_name[name] for name in names) == expected


def test_what_is_no_box_is_named():
    some = np.array([[0, 0, 1, 1.0]])
    with pytest.raises(ValueError, match="truth holds NaN"):
        detection.measure(some, some * NAN)
    with pytest.raises(ValueError, match=r"prediction has shape \(4,\)"):
        detection.match(some[0], some)
    with pytest.raises(ValueError, match=r"scores of shape \(2,\) for 1 objects"):
        detection.match(some, some, scores=np.ones(2))
