"""Points: matched as a solved assignment matches them, pooled as sums, right where there is nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import center_of_mass
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from zooscope.metrics import find_metric, localisation, measure
from zooscope.sample import Task

NM_A_PX = 40.0
"""Makes cell nuclei to molecules: their centres come to lie a few gates apart."""
NAN = np.nan

Pair = tuple[np.ndarray, np.ndarray]


def centres(labels: np.ndarray) -> np.ndarray:
    return np.asarray(center_of_mass(labels > 0, labels, range(1, labels.max() + 1))).reshape(-1, 2) * NM_A_PX


def of(answers: Sequence[Any]) -> list[Pair]:
    return [(centres(answer.found), centres(answer.truth)) for answer in answers]


def spatial(pair: Pair) -> Pair:
    """With a height that depends on the place, z first."""
    return tuple(np.column_stack([50 * np.sin(points.sum(axis=1)), points]) for points in pair)  # type: ignore[return-value]


def records(pairs: Sequence[Pair]) -> dict[str, np.ndarray]:
    found = [measure(prediction, truth, task=Task.LOCALISATION) for prediction, truth in pairs]
    return {name: np.array([record[name] for record in found]) for name in found[0]}


def score(name: str, pairs: Sequence[Pair], weights: np.ndarray | None = None) -> float:
    return find_metric(f"{name}@1").reduce(records(pairs), weights)


def assigned(prediction: np.ndarray, truth: np.ndarray, gate: float) -> Pair:
    """Indices of the matches, from all distances at once."""
    distance = cdist(truth, prediction)
    rows, columns = linear_sum_assignment(np.where(distance <= gate, distance, 1e6 * gate))
    near = distance[rows, columns] <= gate
    return columns[near], rows[near]


def check(pairs: Sequence[Pair], gate: float) -> int:
    """Equal in number and sum of distances to the solved assignment; how many matches there are."""
    total = 0
    for prediction, truth in pairs:
        found, real = localisation.match(prediction, truth, gate=gate)
        theirs, reals = assigned(prediction, truth, gate)
        assert len(found) == len(set(found.tolist())) == len(set(real.tolist())) == len(theirs)
        assert (np.diff(real) > 0).all()
        lengths = [np.linalg.norm(prediction[p] - truth[t], axis=1) for p, t in ((found, real), (theirs, reals))]
        assert (lengths[0] <= gate).all()
        np.testing.assert_allclose(lengths[0].sum(), lengths[1].sum(), rtol=1e-12)
        total += len(found)
    return total


@pytest.mark.parametrize("gate", [30.0, 250.0, 1500.0])
def test_matches_of_real_centres_are_those_of_the_solved_assignment(gate: float, answers: Sequence[Any]):
    assert check(of(answers), gate) > 100
    assert check([spatial(pair) for pair in of(answers)], gate) > 50


def test_matches_on_dsb2018_are_those_of_the_solved_assignment(dsb2018_answers: Sequence[Any]):
    assert len(dsb2018_answers) == 99
    assert check(of(dsb2018_answers), localisation.GATE_NM) > 2000


def test_matches_of_crowded_and_of_coinciding_points_are_those_of_the_solved_assignment():
    rng = np.random.default_rng(0)
    pairs = []
    for trial in range(200):
        found, real = rng.integers(0, 15, 2)
        pair = rng.uniform(0, 700, (found, 2)), rng.uniform(0, 700, (real, 2))
        pairs.append(pair if trial % 2 else (np.round(pair[0], -2), np.round(pair[1], -2)))
    check(pairs, 250.0)


def test_scores_are_what_their_formulas_say_of_the_solved_assignment(answers: Sequence[Any]):
    pairs = [spatial(pair) for pair in of(answers)]
    tp = fp = fn = 0
    errors = []
    for prediction, truth in pairs:
        found, real = assigned(prediction, truth, 250.0)
        tp, fp, fn = tp + len(found), fp + len(prediction) - len(found), fn + len(truth) - len(found)
        errors.append(prediction[found] - truth[real])
    z, y, x = np.concatenate(errors).T
    jaccard = tp / (tp + fp + fn)
    lateral, axial = np.sqrt((y**2 + x**2).mean()), np.sqrt((z**2).mean())
    efficiencies = [
        1 - np.sqrt((100 - 100 * jaccard) ** 2 + (a * e) ** 2) / 100 for a, e in ((1, lateral), (0.5, axial))
    ]
    expected = {
        "jaccard-250nm": jaccard,
        "precision-250nm": tp / (tp + fp),
        "recall-250nm": tp / (tp + fn),
        "rmse-lateral-250nm": lateral,
        "rmse-axial-250nm": axial,
        "efficiency-lateral-250nm": efficiencies[0],
        "efficiency-axial-250nm": efficiencies[1],
        "efficiency-3d-250nm": np.mean(efficiencies),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(score(f"{name}.pooled", pairs), value, rtol=1e-12)


def test_efficiency_by_hand():
    truth = np.array([[0, 0], [0, 1000], [0, 2000], [0, 3000.0]])
    found = np.array([[0, 30], [40, 1000], [0, 2000.0]])
    # three of four found: J = 0.75; squared errors 900 + 1600 + 0: RMSE = sqrt(2500 / 3)
    assert score("jaccard-250nm.pooled", [(found, truth)]) == 0.75
    assert score("rmse-lateral-250nm.pooled", [(found, truth)]) == pytest.approx(28.8675134594813)
    assert score("efficiency-lateral-250nm.pooled", [(found, truth)]) == pytest.approx(
        1 - np.sqrt(625 + 2500 / 3) / 100
    )
    assert score("efficiency-lateral-250nm.pooled", [(truth, truth)]) == 1


def test_as_many_points_as_possible_are_matched_even_where_nearer_ones_would_leave_one_alone():
    truth = np.array([[0, 0], [0, 200.0]])
    found = np.array([[0, 190.0], [0, 400.0]])  # the first is 10 from the second, 190 from the first
    prediction, real = localisation.match(found, truth, gate=250.0)
    assert (prediction.tolist(), real.tolist()) == ([0, 1], [0, 1])


def test_a_point_at_the_gate_is_within_it():
    here, there = np.array([[0, 0.0]]), np.array([[0, 250.0]])
    assert len(localisation.match(here, there, gate=250.0)[0]) == 1
    assert len(localisation.match(here, there, gate=np.nextafter(250.0, 0))[0]) == 0


def test_the_gate_reaches_along_z_too():
    here, there = np.array([[0, 0, 0.0]]), np.array([[200, 200, 0.0]])
    assert measure(here, there, task=Task.LOCALISATION)["tp"] == 0
    assert measure(here[:, 1:], there[:, 1:], task=Task.LOCALISATION)["tp"] == 1


NONE, ONE = np.zeros((0, 2)), np.array([[5.0, 5.0]])


@pytest.mark.parametrize(
    ("prediction", "truth", "jaccard", "pooled", "rmse", "efficiency"),
    [(NONE, NONE, 1, NAN, NAN, NAN), (NONE, ONE, 0, 0, NAN, 0), (ONE, NONE, 0, 0, NAN, 0), (ONE, ONE, 1, 1, 0, 1)],
    ids=["nothing to find and nothing found", "nothing found", "nothing to find", "all found"],
)
def test_images_without_points_are_defined(
    prediction: np.ndarray, truth: np.ndarray, jaccard: float, pooled: float, rmse: float, efficiency: float
):
    pairs = [(prediction, truth)]
    np.testing.assert_equal(score("jaccard-250nm.per-image", pairs), jaccard)
    np.testing.assert_equal(score("jaccard-250nm.pooled", pairs), pooled)
    np.testing.assert_equal(score("rmse-lateral-250nm.pooled", pairs), rmse)
    np.testing.assert_equal(score("efficiency-lateral-250nm.pooled", pairs), efficiency)
    for axial in ("rmse-axial", "efficiency-axial", "efficiency-3d"):
        assert np.isnan(score(f"{axial}-250nm.pooled", pairs))


def test_weights_count_an_image_as_often_as_they_say(answers: Sequence[Any]):
    pairs = [spatial(pair) for pair in of(answers)[:4]]
    repeated = [pairs[0], pairs[0], pairs[2], pairs[3], pairs[3], pairs[3]]
    for metric in localisation.metrics():
        weighted = metric.reduce(records(pairs), np.array([2.0, 0.0, 1.0, 3.0]))
        np.testing.assert_allclose(weighted, metric.reduce(records(repeated)), rtol=1e-12)


@pytest.mark.parametrize(
    ("prediction", "truth", "text"),
    [
        (np.zeros(2), ONE, r"prediction has shape \(2,\)"),
        (np.zeros((1, 4)), ONE, r"\(1, 4\); points are \(n, 2\) or \(n, 3\), no points are \(0, 2\)"),
        (ONE, np.zeros((0, 3)), "prediction has 2 coordinates a point, truth 3"),
        (ONE, ONE * NAN, "truth holds NaN"),
        (ONE * np.inf, ONE, "prediction holds NaN or infinity"),
        (ONE > 0, ONE, "prediction is bool"),
        (ONE, ONE * 1j, "truth is complex128"),
    ],
)
def test_what_are_no_points_is_named(prediction: np.ndarray, truth: np.ndarray, text: str):
    with pytest.raises(ValueError, match=text):
        measure(prediction, truth, task=Task.LOCALISATION)
