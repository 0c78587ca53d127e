"""Uncertainty: the matrix product against a loop that resamples images, pairs, ranks, and silence below ten groups."""

import numpy as np
import pytest

from zooscope.metrics import METRICS
from zooscope.stats import MIN_GROUPS, GroupBootstrap

Records = dict[str, np.ndarray]


def made_up(images: int, *, quality: float = 0.7, seed: int = 0) -> Records:
    """Records as a model of that quality would get them; images differ in their number of objects."""
    rng = np.random.default_rng(seed)
    true = np.random.default_rng(99).integers(1, 60, images).astype(float)
    tp = rng.binomial(true.astype(int), quality).astype(float)
    records = {"true": true, "predicted": true + rng.integers(0, 3, images)}
    for percent in range(50, 100, 5):
        records[f"tp{percent}"] = np.floor(tp * (1 - (percent - 50) / 60))
        records[f"iou{percent}"] = 0.8 * records[f"tp{percent}"]
    return records


def loop(bootstrap: GroupBootstrap, groups: list[str], name: str, records: Records) -> list[float]:
    """The plain way: draw groups, list their images as often as they were drawn, score the list."""
    names = sorted(set(groups))
    scores = []
    for draw in bootstrap._draws:
        picked = [i for group, times in zip(names, draw, strict=True) for i in np.flatnonzero(np.array(groups) == group)
                  for _ in range(int(times))]  # fmt: skip
        scores.append(METRICS[name].reduce({column: values[picked] for column, values in records.items()}))
    return scores


GROUPS = [f"g{number:02}" for number in np.random.default_rng(5).integers(0, 12, 40)]


@pytest.mark.parametrize(
    "name", ["ap50.per-image@1", "ap50.pooled@1", "ap.per-image@1", "pq50.per-image@1", "f1-50.pooled@1"]
)
def test_the_interval_is_that_of_a_loop_over_resampled_images(name: str):
    bootstrap, records = GroupBootstrap(GROUPS, resamples=200), made_up(40)
    reference = loop(bootstrap, GROUPS, name, records)
    np.testing.assert_allclose(bootstrap.resampled(METRICS[name], records), reference)
    estimate = bootstrap.estimate(METRICS[name], records)
    np.testing.assert_allclose((estimate.low, estimate.high), np.quantile(reference, [0.025, 0.975]))
    assert estimate.score == METRICS[name].reduce(records)
    assert (estimate.images, estimate.groups) == (40, 12)
    assert estimate.low < estimate.score < estimate.high


def test_draws_are_with_replacement_and_of_as_many_groups_as_there_are():
    bootstrap = GroupBootstrap(GROUPS, resamples=2000)
    assert set(bootstrap._draws.sum(axis=1)) == {12}
    np.testing.assert_allclose(bootstrap._draws.mean(axis=0), 1, atol=0.1)
    np.testing.assert_allclose(bootstrap._draws.var(axis=0), 11 / 12, atol=0.15)


def test_images_of_a_group_come_and_go_together():
    # Twelve groups of thirty images; all images of a group score alike. Were images resampled on their own,
    # their scores would spread sqrt(30) times too little.
    groups = [f"g{number:02}" for number in range(12) for _ in range(30)]
    right = np.repeat(np.arange(12) % 2, 30).astype(float)
    records = {"true": np.ones(360), "predicted": np.ones(360)}
    records |= {f"tp{p}": right for p in range(50, 100, 5)} | {f"iou{p}": right for p in range(50, 100, 5)}
    clustered = GroupBootstrap(groups).resampled(METRICS["ap50.per-image@1"], records)
    alone = GroupBootstrap([str(i) for i in range(360)]).resampled(METRICS["ap50.per-image@1"], records)
    assert clustered.std() / alone.std() == pytest.approx(np.sqrt(30), rel=0.05)


@pytest.mark.parametrize(("groups", "told"), [(MIN_GROUPS - 1, False), (MIN_GROUPS, True)])
def test_below_ten_groups_there_is_no_interval(groups: int, told: bool):
    names = [f"g{i % groups}" for i in range(30)]
    estimate = GroupBootstrap(names).estimate(METRICS["ap50.per-image@1"], made_up(30))
    assert (estimate.low is not None, estimate.high is not None) == (told, told)
    assert estimate.groups == groups
    assert 0 < estimate.score < 1


def test_a_model_differs_from_itself_by_exactly_nothing():
    bootstrap, records = GroupBootstrap(GROUPS), made_up(40)
    itself = bootstrap.difference(METRICS["ap50.per-image@1"], records, records)
    assert (itself.score, itself.low, itself.high) == (0, 0, 0)


def test_a_paired_difference_is_surer_than_two_intervals():
    # Images differ much in difficulty, the models by little: only the pairs can tell.
    hard = np.tile([2.0, 10.0, 18.0, 20.0], 10)
    one = {"true": np.full(40, 20.0), "predicted": np.full(40, 20.0), "tp50": hard}
    other = {**one, "tp50": hard - 1}
    bootstrap = GroupBootstrap([str(i) for i in range(40)])
    metric = METRICS["ap50.per-image@1"]
    difference = bootstrap.difference(metric, one, other)
    mine, theirs = bootstrap.estimate(metric, one), bootstrap.estimate(metric, other)
    assert mine.low < theirs.high
    assert difference.low > 0
    assert difference.score == pytest.approx(mine.score - theirs.score)
    assert bootstrap.ranks(metric, [one, other]) == [1, 2]


def test_clearly_different_models_are_ranked_and_indistinguishable_ones_share():
    bootstrap = GroupBootstrap([str(i) for i in range(60)])
    good, twin, bad = made_up(60, quality=0.9), made_up(60, quality=0.9, seed=7), made_up(60, quality=0.3)
    assert bootstrap.ranks(METRICS["ap50.per-image@1"], [bad, good, twin]) == [3, 1, 1]
    assert bootstrap.ranks(METRICS["ap50.per-image@1"], [good, good]) == [1, 1]


def test_with_too_few_groups_the_order_of_the_scores_ranks():
    bootstrap = GroupBootstrap([str(i) for i in range(5)])
    good, bad = made_up(5, quality=0.9), made_up(5, quality=0.3)
    assert bootstrap.ranks(METRICS["ap50.per-image@1"], [bad, good, bad]) == [2, 1, 2]


def test_the_same_seed_gives_the_same_interval():
    metric, records = METRICS["ap50.per-image@1"], made_up(40)
    assert GroupBootstrap(GROUPS).estimate(metric, records) == GroupBootstrap(GROUPS).estimate(metric, records)
    other = GroupBootstrap(GROUPS, seed=1).estimate(metric, records)
    assert other != GroupBootstrap(GROUPS).estimate(metric, records)


def test_resamples_without_anything_to_score_do_not_spoil_the_interval():
    # Pooled over mostly empty images, some resamples hold no object at all.
    records = {"true": np.array([5.0] + 11 * [0.0]), "predicted": np.array([5.0] + 11 * [0.0]),
               "tp50": np.array([4.0] + 11 * [0.0])}  # fmt: skip
    estimate = GroupBootstrap([str(i) for i in range(12)]).estimate(METRICS["ap50.pooled@1"], records)
    assert estimate.score == estimate.low == estimate.high == pytest.approx(4 / 6)
