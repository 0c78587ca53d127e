"""COCO's AP and AR: equal to pycocotools on real answers, and to what one can work out by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from zooscope.masks import Masks
from zooscope.metrics.average_precision import Ranking, average_precision
from zooscope.metrics.coco import COCO, LIVECELL, PROTOCOLS, Detections, Protocol, match_boxes, match_masks

MATCH = {"mask": match_masks, "box": match_boxes}
NAN = np.nan

# What pycocotools 2.0.11 says of the demo's test split, printed by `python tools/coco_reference.py demo`:
# AP, AP50, AP75, AR by number of detections (three), then AP and AR of small, medium and large objects.
PYCOCOTOOLS = {
    ("coco", "mask", True): (
        0.431169373830097, 0.701200471143208, 0.487215174097021, 0.013496932515337, 0.175766871165644,
        0.554601226993865, 0.436161047945005, 0.549664429530201, 0.413404960324031, 0.607142857142857, NAN, NAN,
    ),
    ("coco", "mask", False): (
        0.359927556149103, 0.656523323056115, 0.382879798298779, 0.022392638036810, 0.175766871165644,
        0.554601226993865, 0.362366437580518, 0.549664429530201, 0.375961795984938, 0.607142857142857, NAN, NAN,
    ),
    ("coco", "box", True): (
        0.436863774665398, 0.702840627557020, 0.476022104781119, 0.014110429447853, 0.181901840490798,
        0.564417177914110, 0.438432761478438, 0.556711409395973, 0.413156600780390, 0.646428571428571, NAN, NAN,
    ),
    ("coco", "box", False): (
        0.367304322411024, 0.644798728040096, 0.382575856084670, 0.021779141104294, 0.178834355828221,
        0.564417177914110, 0.366912579758898, 0.556711409395973, 0.342089229165832, 0.646428571428571, NAN, NAN,
    ),
    ("livecell", "mask", True): (
        0.431169373830097, 0.701200471143208, 0.487215174097021, 0.554601226993865, 0.554601226993865,
        0.554601226993865, 0.478356720835492, 0.591254752851711, 0.183405182276469, 0.233333333333333,
        0.386594446372602, 0.586666666666667,
    ),
    ("livecell", "mask", False): (
        0.359927556149103, 0.656523323056115, 0.382879798298779, 0.554601226993865, 0.554601226993865,
        0.554601226993865, 0.394840681659782, 0.591254752851711, 0.160615371509885, 0.233333333333333,
        0.355503614877617, 0.586666666666667,
    ),
    ("livecell", "box", True): (
        0.436863774665398, 0.702840627557020, 0.476022104781119, 0.564417177914110, 0.564417177914110,
        0.564417177914110, 0.496559772438518, 0.598098859315589, 0.117203722886962, 0.233333333333333,
        0.413605415046510, 0.633333333333333,
    ),
    ("livecell", "box", False): (
        0.367304322411024, 0.644798728040096, 0.382575856084670, 0.564417177914110, 0.564417177914110,
        0.564417177914110, 0.429727130247191, 0.598098859315589, 0.112194711937870, 0.233333333333333,
        0.343037159286431, 0.633333333333333,
    ),
}  # fmt: skip


# The same of true objects that are made larger by 3 px, so that neighbours overlap, each seventh a crowd, under the
# protocol of LIVECell
OVERLAPPING = {
    ("mask", True): (
        0.02571478700159, 0.14108189283882, 0.00495049504950, 0.09823321554770, 0.09823321554770, 0.09823321554770,
        0.01129779800113, 0.04362745098039, 0.09723460120386, 0.12941176470588, 0.29009432677311, 0.42758620689655,
    ),
    ("mask", False): (
        0.01899588911619, 0.10477978832366, 0.00424328147100, 0.09823321554770, 0.09823321554770, 0.09823321554770,
        0.00697343030832, 0.04362745098039, 0.06769837134089, 0.12941176470588, 0.28262707755033, 0.42758620689655,
    ),
    ("box", True): (
        0.02585906914065, 0.14153802692136, 0.00707903409519, 0.09363957597173, 0.09363957597173, 0.09363957597173,
        0.01095427010811, 0.03529411764705, 0.08717746100129, 0.12941176470588, 0.29660238227122, 0.44482758620689,
    ),
    ("box", False): (
        0.01706111674483, 0.08965329522643, 0.00538829393143, 0.09363957597173, 0.09363957597173, 0.09363957597173,
        0.00601317720205, 0.03529411764705, 0.04209173946990, 0.12941176470588, 0.26104412550699, 0.44482758620689,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("protocol", "kind", "scored"), PYCOCOTOOLS)
def test_demo_scores_are_those_of_pycocotools(protocol: str, kind: str, scored: bool, answers: Sequence[Any]):
    records = [
        MATCH[kind](a.found, a.truth, protocol=PROTOCOLS[protocol], scores=a.scores if scored else None)
        for a in answers
    ]
    found = average_precision(records)
    source = "own-score" if scored else "constant-score"
    ar = [f"ar{most}" for most in PROTOCOLS[protocol].max_detections]
    sizes = [f"{what}-{size}" for size in ("small", "medium", "large") for what in ("ap", "ar")]
    whats = ["ap", "ap50", "ap75", *ar, *sizes]
    assert list(found) == [f"{protocol}-{kind}-{what}-{source}.pooled@1" for what in whats]
    np.testing.assert_allclose(list(found.values()), PYCOCOTOOLS[protocol, kind, scored], rtol=0, atol=1e-12)


def grown(labels: np.ndarray) -> Masks:
    """As in tools/coco_reference.py."""
    stack = [ndimage.binary_dilation(labels == id, iterations=3) for id in np.unique(labels[labels > 0])]
    masks = Masks.of_stack(stack, shape=labels.shape)
    return replace(masks, crowd=np.arange(len(masks)) % 7 == 6)


@pytest.mark.parametrize(("kind", "scored"), OVERLAPPING)
def test_true_objects_that_overlap_and_crowds_score_as_in_pycocotools(kind: str, scored: bool, answers: Sequence[Any]):
    truths = [grown(a.truth) for a in answers]
    assert any(truth.sizes.sum() > np.count_nonzero(truth.labels()) for truth in truths), "they overlap"
    records = [
        MATCH[kind](a.found, truth, protocol=LIVECELL, scores=a.scores if scored else None)
        for a, truth in zip(answers, truths, strict=True)
    ]
    found = list(average_precision(records).values())
    np.testing.assert_allclose(found, OVERLAPPING[kind, scored], rtol=0, atol=1e-12)


@pytest.mark.parametrize("match", MATCH.values(), ids=MATCH)
def test_masks_that_do_not_overlap_score_as_their_label_image(match: Any, answers: Sequence[Any]):
    for a in answers:
        masks = Masks.of_stack([a.truth == id for id in np.unique(a.truth[a.truth > 0])], shape=a.truth.shape)
        ours, labels = (match(a.found, truth, protocol=LIVECELL, scores=a.scores) for truth in (masks, a.truth))
        np.testing.assert_array_equal(ours.outcome, labels.outcome)
        np.testing.assert_array_equal(ours.truths, labels.truths)


def test_the_size_of_a_mask_is_what_its_source_says_of_it():
    labels = Scene(side=4).labels(0)
    masks = replace(Masks.of_stack([labels == 1], shape=labels.shape), area=np.array([18.0**2 + 1]))
    record = match_masks(labels, masks, protocol=LIVECELL)
    assert np.isnan(score("ap-small", record))
    assert score("ap-medium", record) == 1


def test_a_crowd_takes_any_number_of_detections_and_counts_none():
    found = Scene().labels(0, 1, 2)
    crowd = Masks.of_stack([found > 0, Scene().labels(2) > 0], shape=found.shape)
    record = match_masks(found, replace(crowd, crowd=np.array([True, False])))
    assert record.truths.tolist() == [1, 1, 0, 0]
    assert record.outcome[0, 0].tolist() == [0, 0, 1]


@dataclass(frozen=True)
class Scene:
    """Squares of one size in a row, by their places; those both in truth and prediction are found exactly."""

    side: int = 4
    places: int = 8

    def labels(self, *at: int) -> np.ndarray:
        image = np.zeros((self.side, self.places * (self.side + 1)), np.int32)
        for number, place in enumerate(at, 1):
            image[:, place * (self.side + 1) :][:, : self.side] = number
        return image

    def match(self, found: Sequence[int], truth: Sequence[int], scores: Sequence[float] | None = None) -> Detections:
        given = None if scores is None else np.array(scores)
        return match_masks(self.labels(*found), self.labels(*truth), scores=given)


def score(what: str, *records: Detections, weights: np.ndarray | None = None) -> float:
    found = average_precision(records, weights)
    prefix = f"{records[0].protocol.name}-{records[0].kind}"
    # COCO adds 2e-16 to what it divides by, so that even the truth scores that much less than 1
    return round(found[f"{prefix}-{what}-{records[0].score_source}.pooled@1"], 14)


def test_precision_is_interpolated_at_101_recalls():
    # ranked: hit, miss, hit. Recall up to 1/2 (51 of 101 points) at precision 1, the rest at 2/3
    record = Scene().match([0, 1, 2], [0, 2], [0.9, 0.8, 0.7])
    assert score("ap", record) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert score("ar100", record) == 1
    assert score("ar1", record) == 0.5


def test_an_object_that_is_found_first_counts_for_more_than_one_found_last():
    hit_first = Scene().match([0, 1], [0, 2], [0.9, 0.8])
    hit_last = Scene().match([0, 1], [0, 2], [0.8, 0.9])
    assert score("ap", hit_first) == pytest.approx(51 / 101)
    assert score("ap", hit_last) == pytest.approx(51 / 2 / 101)


@pytest.mark.parametrize(("protocol", "expected"), [(COCO, 67 / 101), (LIVECELL, 1.0)], ids=["coco", "livecell"])
def test_coco_sees_a_hundred_objects_of_an_image_and_no_more(protocol: Protocol, expected: float):
    truth = np.zeros((30, 20), np.int32)
    truth[::2, ::2] = np.arange(1, 151).reshape(15, 10)
    record = match_masks(truth, truth, protocol=protocol)
    assert score("ap", record) == pytest.approx(expected)  # 100 of 150: recall 0 to 0.66 is reached
    assert score("ar100", record) == pytest.approx(2 / 3)


def test_both_ends_of_a_range_of_areas_are_within():
    record = Scene(side=32).match([0], [0])
    assert score("ap-small", record) == score("ap-medium", record) == 1
    assert np.isnan(score("ap-large", record))


def test_objects_out_of_the_range_of_areas_neither_help_nor_hurt():
    truth, found = np.zeros((2, 200, 100), np.int32)
    truth[:10, :10], found[:10, :10] = 1, 1  # small, found
    truth[50:100, :50], found[50:100, :60] = 2, 2  # medium, found
    found[150:190, :40] = 3  # medium, not there
    record = match_masks(found, truth, scores=np.array([0.5, 0.9, 0.8]))
    assert score("ap-small", record) == 1
    assert score("ap50", record) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert score("ar-medium", record) == pytest.approx(0.7)  # 2500 / 3000 px: found at .50 to .80


def test_a_match_of_a_true_object_out_of_range_is_not_counted_against_a_detection_in_range():
    truth, found = np.zeros((2, 40, 40), np.int32)
    truth[:33, :32] = 1  # 1056 px: medium
    found[:32, :32] = 1  # 1024 px: small and medium
    truth[36:, 36:], found[36:, 36:] = 2, 2
    record = match_masks(found, truth, scores=np.array([0.9, 0.1]))
    assert score("ap-small", record) == 1
    assert score("ap50", record) == 1


def test_of_two_detections_that_reach_an_object_the_one_of_the_higher_score_has_it():
    truth, found = np.zeros((2, 4, 4), np.int32)
    truth[:] = 1
    found[:2], found[2:] = 1, 2  # both of IoU 0.5
    for scores, expected in (([0.9, 0.1], [1, -1]), ([0.1, 0.9], [1, -1]), ([0.5, 0.5], [1, -1])):
        record = match_masks(found, truth, scores=np.array(scores))
        assert record.outcome[0, 0].tolist() == expected
        assert record.outcome[0, 1].tolist() == [-1, -1]


def test_a_detection_takes_the_last_of_equals_so_that_order_can_cost_a_match():
    truth, found = np.zeros((2, 4, 12), np.int32)
    truth[:2, :4], truth[2:, :4] = 1, 2
    found[:, :4] = 1  # reaches both at IoU 0.5, and takes the second
    record = match_masks(found, truth)
    assert record.outcome[0, 0].tolist() == [1]
    assert score("ar100", record) == pytest.approx(0.5 / 10)


def test_boxes_meet_where_masks_do_not():
    truth, found = np.zeros((2, 10, 10), np.int32)
    truth[:, 0], truth[9] = 1, 1  # an L
    found[0], found[:, 9] = 1, 1  # the other half of the frame
    assert score("ap", match_masks(found, truth)) == 0
    assert score("ap", match_boxes(found, truth)) == 1


def test_without_scores_the_order_of_images_decides():
    good, bad = Scene().match([0, 1], [0, 1]), Scene().match([2, 3], [0, 1])
    assert score("ap", good, bad) == pytest.approx(51 / 101)
    assert score("ap", bad, good) == pytest.approx(51 / 2 / 101)
    assert good.score_source == "constant-score"


def test_images_without_objects_count_only_for_what_is_wrongly_found_there():
    scene = Scene()
    image, nothing, false = scene.match([0], [0]), scene.match([], []), scene.match([5], [])
    assert score("ap", image, nothing) == 1
    assert score("ap", false, image) == 0.5
    assert np.isnan(score("ap", nothing))
    assert np.isnan(score("ap", false))
    assert score("ap", scene.match([], [0])) == 0
    assert score("ar100", scene.match([], [0])) == 0


def test_an_object_of_one_pixel_is_an_object():
    labels = np.zeros((5, 5), np.uint16)
    labels[2, 3] = 9
    assert score("ap-small", match_masks(labels, labels)) == score("ap-small", match_boxes(labels, labels)) == 1


def test_numbers_of_objects_do_not_matter_but_their_order_is_that_of_the_scores(answers: Sequence[Any]):
    a = answers[0]
    plain = match_masks(a.found, a.truth, scores=a.scores)
    spaced = match_masks(a.found.astype(np.int64) * 70_001, a.truth * 3, scores=a.scores)
    np.testing.assert_array_equal(plain.outcome, spaced.outcome)
    np.testing.assert_array_equal(plain.scores, spaced.scores)


def test_masks_of_many_objects_need_no_table_of_all_pairs():
    labels = np.arange(1, 250_001, dtype=np.int32).reshape(500, 500)  # a dense table would hold 500 GB
    record = match_masks(labels, labels, protocol=LIVECELL)
    assert record.outcome.shape == (4, 10, 2000)
    assert record.truths.tolist() == [250_000, 250_000, 0, 0]


def distinct(answers: Sequence[Any], match: Any) -> list[Detections]:
    """Scores that no two objects of an image share."""
    return [match(a.found, a.truth, scores=a.scores + np.arange(len(a.scores)) * 1e-6) for a in answers]


@pytest.mark.parametrize("match", MATCH.values(), ids=MATCH)
def test_weights_count_an_image_as_often_as_they_say(match: Any, answers: Sequence[Any]):
    records = distinct(answers[:5], match)
    weights = np.array([2.0, 0.0, 1.0, 3.0, 1.0])
    repeated = [record for record, times in zip(records, weights, strict=True) for _ in range(int(times))]
    weighted, plain = average_precision(records, weights), average_precision(repeated)
    np.testing.assert_allclose(list(weighted.values()), list(plain.values()), rtol=0, atol=1e-12)
    assert weighted != average_precision(records)


def test_one_ranking_serves_many_weightings(answers: Sequence[Any]):
    records = [match_masks(a.found, a.truth) for a in answers]
    ranking = Ranking.of(records)
    np.testing.assert_equal(ranking.scores(), average_precision(records))
    twice = ranking.scores(np.full(len(records), 2.0))
    np.testing.assert_allclose(list(twice.values()), list(ranking.scores().values()), rtol=0, atol=1e-12)
    alone = ranking.scores(np.eye(len(records))[3])
    np.testing.assert_allclose(list(alone.values()), list(average_precision([records[3]]).values()), atol=1e-12)


LABELS = Scene().labels(0, 1)


@pytest.mark.parametrize(
    ("prediction", "scores", "text"),
    [
        (LABELS, [0.5], r"scores of shape \(1,\) for 2 objects"),
        (LABELS, [0.5, NAN], "scores hold NaN, the first at 1"),
        (LABELS[:, 1:], None, "differ in shape"),
        (LABELS.astype(float), None, "prediction is float64"),
        (-LABELS, None, "negative labels"),
    ],
)
@pytest.mark.parametrize("match", MATCH.values(), ids=MATCH)
def test_what_cannot_be_compared_is_named(match: Any, prediction: np.ndarray, scores: list[float] | None, text: str):
    with pytest.raises(ValueError, match=text):
        match(prediction, LABELS, scores=None if scores is None else np.array(scores))


def test_boxes_are_of_two_dimensional_images():
    with pytest.raises(ValueError, match=r"\(2, 2, 2\); boxes are around the objects of a \(y, x\) image"):
        match_boxes(np.ones((2, 2, 2), int), np.ones((2, 2, 2), int))


def test_detections_of_several_protocols_kinds_or_score_sources_do_not_mix():
    records = [match_masks(LABELS, LABELS), match_masks(LABELS, LABELS, scores=np.ones(2))]
    with pytest.raises(ValueError, match="coco-mask-constant-score, coco-mask-own-score"):
        average_precision(records)
    with pytest.raises(ValueError, match="not no images"):
        average_precision([])
    with pytest.raises(ValueError, match=r"weights of shape \(2,\) for 1 images"):
        average_precision(records[:1], np.ones(2))
