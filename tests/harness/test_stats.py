"""Uncertainty: against loops, scipy, Student's t and made-up truths; pairs, ranks, seeds, silence below ten groups."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from zooscope.data import Dataset
from zooscope.errors import UsageError
from zooscope.metrics import METRICS, measure
from zooscope.metrics.metric import Metric, ratio
from zooscope.stats import INTERVALS, MIN_GROUPS, GroupBootstrap, Rank, Resampled, ranks_of

Records = dict[str, np.ndarray]
AP50 = METRICS["ap50.per-image@1"]


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
    for draw in bootstrap.draws.T:
        picked = [i for group, times in zip(names, draw, strict=True) for i in np.flatnonzero(np.array(groups) == group)
                  for _ in range(int(times))]  # fmt: skip
        scores.append(METRICS[name].reduce({column: values[picked] for column, values in records.items()}))
    return scores


GROUPS = [f"g{number:02}" for number in np.random.default_rng(5).integers(0, 12, 40)]


def real(model: str) -> Records:
    """Records of a committed row: 99 images of dsb2018."""
    (path,) = (Path(__file__).parents[2] / "reports/results/dsb2018@1/test").glob(f"{model}@*/*/images.csv")
    table = pd.read_csv(path)
    return {name: table[name].to_numpy(float) for name in ("true", "predicted", "tp50")}


def flat(scores: np.ndarray, *, high: float = 1000) -> Records:
    """Records of images with AP50s as given, to a thousandth: objects that are found or not, none false."""
    return {"true": np.full(len(scores), high), "predicted": np.full(len(scores), high), "tp50": ap_to_tp(scores, high)}


def ap_to_tp(scores: np.ndarray, high: float) -> np.ndarray:
    return 2 * high * scores / (1 + scores)


@pytest.mark.parametrize(
    "name", ["ap50.per-image@1", "ap50.pooled@1", "ap.per-image@1", "pq50.per-image@1", "f1-50.pooled@1"]
)
def test_the_percentile_interval_is_that_of_a_loop_over_resampled_images(name: str):
    bootstrap, records = GroupBootstrap(GROUPS, resamples=200, interval="percentile"), made_up(40)
    reference = loop(bootstrap, GROUPS, name, records)
    np.testing.assert_allclose(bootstrap.resampled(METRICS[name], records).resamples, reference)
    estimate = bootstrap.estimate(METRICS[name], records)
    np.testing.assert_allclose((estimate.low, estimate.high), np.quantile(reference, [0.025, 0.975]))
    assert estimate.score == METRICS[name].reduce(records)
    assert (estimate.images, estimate.groups) == (40, 12)
    assert estimate.low < estimate.score < estimate.high


def test_scores_without_a_group_are_those_of_the_other_images():
    bootstrap, records = GroupBootstrap(GROUPS), made_up(40)
    for name in ("ap50.per-image@1", "ap50.pooled@1"):
        others = [np.flatnonzero(np.array(GROUPS) != group) for group in sorted(set(GROUPS))]
        reference = [METRICS[name].reduce({c: values[picked] for c, values in records.items()}) for picked in others]
        np.testing.assert_allclose(bootstrap.resampled(METRICS[name], records).left_out, reference)


def test_all_metrics_at_once_are_the_same_as_one_at_a_time(demo: Dataset):
    images = [sample for sample in demo if sample.axes == "yx"]
    truth = [sample.target for sample in images]
    shifted = [np.roll(labels, 2, axis=1) for labels in truth]
    table = pd.DataFrame([measure(*pair) for pair in zip(shifted, truth, strict=True)])
    records = {str(name): table[name].to_numpy(float) for name in table}
    bootstrap = GroupBootstrap([sample.id for sample in images])
    together = bootstrap.estimates(list(METRICS.values()), records)
    assert list(together) == list(METRICS)
    for name, metric in METRICS.items():
        alone = bootstrap.resampled(metric, records)
        assert together[name].score == pytest.approx(metric.reduce(records), nan_ok=True)
        if not np.isnan(alone.score):
            ends = [float(end) for end in INTERVALS["expanded-percentile"](alone, 0.95)]
            assert [together[name].low, together[name].high] == pytest.approx(ends)


def test_metrics_of_two_and_of_three_sums_are_estimated_beside_each_other():
    def share_of_all(first: np.ndarray, *others: np.ndarray) -> np.ndarray:
        return first / (first + sum(others))

    two = Metric("two@1", "", "", lambda r: (r["tp50"], r["true"]), share_of_all)
    three = Metric("three@1", "", "", lambda r: (r["tp50"], r["true"], r["predicted"]), share_of_all)
    bootstrap, records = GroupBootstrap(GROUPS), made_up(40)
    together = bootstrap.estimates([three, two], records)
    assert together == {metric.name: bootstrap.estimate(metric, records) for metric in (three, two)}
    assert list(together) == ["three@1", "two@1"]
    assert together["two@1"].score == pytest.approx(records["tp50"].sum() / (records["tp50"] + records["true"]).sum())


def test_draws_are_with_replacement_and_of_as_many_groups_as_there_are():
    bootstrap = GroupBootstrap(GROUPS, resamples=2000)
    assert bootstrap.draws.shape == (12, 2000)
    assert set(bootstrap.draws.sum(axis=0)) == {12}
    np.testing.assert_allclose(bootstrap.draws.mean(axis=1), 1, atol=0.1)
    np.testing.assert_allclose(bootstrap.draws.var(axis=1), 11 / 12, atol=0.15)


@pytest.mark.parametrize(("method", "name"), [("percentile", "percentile"), ("BCa", "bca")])
def test_intervals_of_ungrouped_real_images_equal_scipys(method: str, name: str):
    one, other = real("unet-dsb2018"), real("baseline-otsu-watershed")
    bootstrap = GroupBootstrap([str(i) for i in range(99)], interval=name)
    metric = METRICS["ap50.pooled@1"]

    def pooled(tp: np.ndarray, seen: np.ndarray, axis: int = -1) -> np.ndarray:
        return tp.sum(axis=axis) / seen.sum(axis=axis)

    def difference(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, axis: int = -1) -> np.ndarray:
        return pooled(a, b, axis) - pooled(c, d, axis)

    cases = [
        ((*metric.terms(one),), pooled, bootstrap.estimate(metric, one)),
        ((*metric.terms(one), *metric.terms(other)), difference, bootstrap.difference(metric, one, other)),
    ]
    for sample, statistic, ours in cases:
        theirs = stats.bootstrap(
            sample,
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=10_000,
            method=method,
            rng=np.random.default_rng(1),
        ).confidence_interval
        # the standard error of a 2.5 % quantile of 10,000 is about a fiftieth of the interval
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03 * (theirs.high - theirs.low))


def test_bca_is_efrons_formula():
    # 300 of 1000 resamples below the score, 100 equal: as if 350 were below. Scores without a group: 0, 0, 0, 4.
    resamples = np.sort(np.r_[np.linspace(0, 0.9, 300), np.ones(100), np.linspace(1.1, 3, 600)])
    low, high = INTERVALS["bca"](Resampled(np.array(1.0), resamples, np.array([0.0, 0.0, 0.0, 4.0])), 0.95)
    bias = stats.norm.ppf(0.35)
    acceleration = (3 * 1**3 - 3**3) / (6 * (3 * 1**2 + 3**2) ** 1.5)
    for end, z in ((low, -1.959964), (high, 1.959964)):
        share = stats.norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        assert end == pytest.approx(np.quantile(resamples, share))


def test_bca_without_bias_and_skewness_is_the_percentile_interval():
    symmetric = Resampled(np.array(0.0), np.linspace(-1, 1, 1001), np.array([-1.0, 0.0, 1.0]))
    assert INTERVALS["bca"](symmetric, 0.95) == pytest.approx(INTERVALS["percentile"](symmetric, 0.95))


@pytest.mark.parametrize("groups", [10, 30, 100])
def test_the_expanded_percentile_of_a_mean_is_as_wide_as_students_interval(groups: int):
    scores = stats.norm.ppf((np.arange(groups) + 0.5) / groups) * 0.05 + 0.5
    estimate = GroupBootstrap([str(i) for i in range(groups)]).estimate(AP50, flat(scores))
    student = stats.t.interval(0.95, groups - 1, scores.mean(), stats.sem(scores))
    assert estimate.high - estimate.low == pytest.approx(student[1] - student[0], rel=0.05)
    percentile = GroupBootstrap([str(i) for i in range(groups)], interval="percentile").estimate(AP50, flat(scores))
    assert estimate.low < percentile.low < percentile.high < estimate.high


@pytest.mark.parametrize("name", INTERVALS)
def test_an_interval_of_equal_scores_has_no_width(name: str):
    bootstrap = GroupBootstrap([str(i) for i in range(13)], interval=name)
    estimate = bootstrap.estimate(AP50, {"true": np.full(13, 3.0), "predicted": np.full(13, 3.0), "tp50": np.ones(13)})
    assert (estimate.low, estimate.high) == pytest.approx((0.2, 0.2), abs=1e-12)


@pytest.mark.parametrize("name", INTERVALS)
def test_where_there_is_nothing_to_score_there_is_neither_score_nor_interval(name: str):
    nothing = {"true": np.zeros(12), "predicted": np.zeros(12), "tp50": np.zeros(12)}
    estimate = GroupBootstrap([str(i) for i in range(12)], interval=name).estimate(METRICS["ap50.pooled@1"], nothing)
    assert np.isnan(estimate.score)
    assert (estimate.low, estimate.high) == (None, None)


def test_bca_stays_finite_where_all_resamples_lie_on_one_side():
    aside = Resampled(np.array(2.0), np.linspace(0, 1, 1000), np.array([0.0, 0.0, 1.0] * 4))
    low, high = INTERVALS["bca"](aside, 0.95)
    assert 0 <= low <= high == pytest.approx(1)


def test_an_unknown_interval_is_refused_by_name():
    with pytest.raises(UsageError, match="'normal' is not one of percentile, expanded-percentile, bca"):
        GroupBootstrap(GROUPS, interval="normal")


def test_at_a_hundred_groups_95_percent_intervals_hold_the_truth_93_to_97_times():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 5, 100)
    bootstrap = GroupBootstrap([str(number) for number, size in enumerate(sizes) for _ in range(size)], resamples=2000)

    def test_sets(repetitions: int, sizes: np.ndarray) -> np.ndarray:
        """Sums (repetitions, two models, two terms, groups) of AP50; groups and images differ in difficulty."""
        shape = repetitions, len(sizes)
        hard, images = rng.standard_normal(shape), np.repeat(np.arange(len(sizes)), sizes)
        hard = hard[:, images] + 0.5 * rng.standard_normal((repetitions, len(images)))
        true = rng.integers(5, 60, hard.shape)
        found = [rng.binomial(true, expit(ease + hard)) for ease in (1.5, 1.3)]
        ap = np.stack([tp / (true + rng.poisson(0.1 * true)) for tp in found], axis=1)
        terms = np.stack([ap, np.ones_like(ap)], axis=2)
        return np.add.reduceat(terms, np.r_[0, np.cumsum(sizes)[:-1]], axis=-1)

    truth = ratio(*test_sets(1, np.ones(1_000_000, np.int64))[0].sum(axis=-1).T)
    held = {name: np.zeros(2) for name in INTERVALS}
    repetitions, block = 4000, 200
    for _ in range(0, repetitions, block):
        sums = test_sets(block, sizes)
        one, other = (bootstrap.from_sums(ratio, sums[:, model]) for model in (0, 1))
        for name, interval in INTERVALS.items():
            for column, (resampled, right) in enumerate([(one, truth[0]), (one - other, truth[0] - truth[1])]):
                low, high = interval(resampled, 0.95)
                held[name][column] += ((low <= right) & (right <= high)).sum()
    for name, counts in held.items():
        assert (counts / repetitions > 0.93).all(), name
        assert (counts / repetitions < 0.97).all(), name


def test_images_of_a_group_come_and_go_together():
    # Twelve groups of thirty images; all images of a group score alike. Were images resampled on their own,
    # their scores would spread sqrt(30) times too little.
    groups = [f"g{number:02}" for number in range(12) for _ in range(30)]
    right = np.repeat(np.arange(12) % 2, 30).astype(float)
    records = {"true": np.ones(360), "predicted": np.ones(360)}
    records |= {f"tp{p}": right for p in range(50, 100, 5)} | {f"iou{p}": right for p in range(50, 100, 5)}
    clustered = GroupBootstrap(groups).resampled(AP50, records).resamples
    alone = GroupBootstrap([str(i) for i in range(360)]).resampled(AP50, records).resamples
    assert clustered.std() / alone.std() == pytest.approx(np.sqrt(30), rel=0.05)


@pytest.mark.parametrize(("groups", "told"), [(MIN_GROUPS - 1, False), (MIN_GROUPS, True)])
def test_below_ten_groups_there_is_no_interval(groups: int, told: bool):
    names = [f"g{i % groups}" for i in range(30)]
    estimate = GroupBootstrap(names).estimate(AP50, made_up(30))
    assert (estimate.low is not None, estimate.high is not None) == (told, told)
    assert estimate.groups == groups
    assert 0 < estimate.score < 1


def test_a_model_differs_from_itself_by_exactly_nothing():
    bootstrap, records = GroupBootstrap(GROUPS), made_up(40)
    itself = bootstrap.difference(AP50, records, records)
    assert (itself.score, itself.low, itself.high) == (0, 0, 0)


def test_a_paired_difference_is_surer_than_two_intervals():
    # Images differ much in difficulty, the models by little: only the pairs can tell.
    hard = np.tile([2.0, 10.0, 18.0, 20.0], 10)
    one = {"true": np.full(40, 20.0), "predicted": np.full(40, 20.0), "tp50": hard}
    other = {**one, "tp50": hard - 1}
    bootstrap = GroupBootstrap([str(i) for i in range(40)])
    metric = AP50
    difference = bootstrap.difference(metric, one, other)
    mine, theirs = bootstrap.estimate(metric, one), bootstrap.estimate(metric, other)
    assert mine.low < theirs.high
    assert difference.low > 0
    assert difference.score == pytest.approx(mine.score - theirs.score)
    assert bootstrap.ranks(metric, [one, other]) == [Rank(1, 1, 1), Rank(2, 2, 2)]


def test_clearly_different_models_are_ranked_and_indistinguishable_ones_share():
    bootstrap = GroupBootstrap([str(i) for i in range(60)])
    good, twin, bad = made_up(60, quality=0.9), made_up(60, quality=0.9, seed=7), made_up(60, quality=0.3)
    assert bootstrap.ranks(AP50, [bad, good, twin]) == [Rank(3, 3, 3), Rank(1, 1, 2), Rank(1, 1, 2)]
    assert bootstrap.ranks(AP50, [good, good]) == [Rank(1, 1, 2), Rank(1, 1, 2)]
    assert bootstrap.ranks(AP50, [good]) == [Rank(1, 1, 1)]


def test_where_a_low_score_is_good_the_lowest_ranks_first():
    bootstrap = GroupBootstrap([str(i) for i in range(60)])
    few, many = (flat(np.full(60, 0.5)) | {"above70": found * np.ones(60)} for found in (900.0, 100.0))
    ranks = bootstrap.ranks(METRICS["missed.per-image@1"], [many, few])
    assert [rank.rank for rank in ranks] == [2, 1]


def test_a_rank_lies_within_its_interval():
    rng = np.random.default_rng(2)
    bootstrap = GroupBootstrap([str(i) for i in range(40)], resamples=1000)
    for _ in range(20):
        models = [flat(np.clip(rng.normal(mean, 0.1, 40), 0, 1)) for mean in rng.uniform(0.4, 0.6, 7)]
        ranks = bootstrap.ranks(AP50, models)
        assert all(rank.low <= rank.rank <= rank.high for rank in ranks)
        assert min(rank.low for rank in ranks) == 1
        assert max(rank.high for rank in ranks) == 7


def test_rank_intervals_hold_for_all_models_at_once_where_pairs_alone_would_not():
    # Twelve equally good models: whoever is ranked behind another is wronged.
    rng = np.random.default_rng(4)
    bootstrap = GroupBootstrap([str(i) for i in range(40)], resamples=1000)
    wronged = wronged_at_once = 0
    for _ in range(200):
        sums = np.stack([0.5 + 0.1 * rng.standard_normal((12, 40)), np.ones((12, 40))], axis=1)
        ranks = ranks_of(bootstrap.from_sums(ratio, sums), INTERVALS["percentile"])
        wronged += any(rank.rank > 1 for rank in ranks)
        wronged_at_once += any(rank.low > 1 or rank.high < 12 for rank in ranks)
    assert wronged > 100
    assert wronged_at_once <= 22  # 10 expected, four standard deviations


def test_with_too_few_groups_the_order_of_the_scores_ranks():
    bootstrap = GroupBootstrap([str(i) for i in range(5)])
    good, bad = made_up(5, quality=0.9), made_up(5, quality=0.3)
    assert bootstrap.ranks(AP50, [bad, good, bad]) == [Rank(2, None, None), Rank(1, None, None), Rank(2, None, None)]


@pytest.mark.parametrize("groups", [5, 60])
def test_a_model_without_a_score_ranks_behind_all_that_have_one(groups: int):
    nothing = {name: np.zeros(groups) for name in ("true", "predicted", "tp50")}
    ranks = GroupBootstrap([str(i) for i in range(groups)]).ranks(
        METRICS["ap50.pooled@1"], [nothing, made_up(groups, quality=0.9), made_up(groups, quality=0.3)]
    )
    assert [rank.rank for rank in ranks] == [3, 1, 2]


def test_the_spread_of_trainings_and_the_interval_of_test_images_are_told_apart():
    # Groups' scores spread by 0.1 around 0.5, trainings shift all of them: each uncertainty is known, and its own.
    groups = 40
    hard = 0.1 * stats.zscore(stats.norm.ppf((np.arange(groups) + 0.5) / groups), ddof=1)
    shifts = np.array([-0.02, 0.0, 0.02])

    def trained(shifts: np.ndarray, hard: np.ndarray):
        runs = [flat(0.5 + hard + shift) for shift in shifts]
        return GroupBootstrap([str(i) for i in range(groups)]).trainings(AP50, runs)

    found = trained(shifts, hard)
    assert found.scores == pytest.approx((0.48, 0.5, 0.52))
    assert found.spread == pytest.approx(0.02)
    assert found.mean.score == pytest.approx(0.5)
    student = 2 * stats.t.ppf(0.975, groups - 1) * 0.1 / np.sqrt(groups)
    assert found.mean.high - found.mean.low == pytest.approx(student, rel=0.05)

    shaken = trained(5 * shifts, hard)
    assert shaken.spread == pytest.approx(0.1)
    assert (shaken.mean.low, shaken.mean.high) == pytest.approx((found.mean.low, found.mean.high))
    harder = trained(shifts, 2 * hard)
    assert harder.spread == pytest.approx(0.02)
    assert harder.mean.high - harder.mean.low == pytest.approx(2 * (found.mean.high - found.mean.low))


def test_one_training_has_no_spread_and_few_groups_no_interval():
    records = made_up(40)
    one = GroupBootstrap(GROUPS).trainings(AP50, [records])
    assert one.spread is None
    assert one.mean == GroupBootstrap(GROUPS).estimate(AP50, records)
    few = GroupBootstrap([f"g{i % 5}" for i in range(40)]).trainings(AP50, [records, made_up(40, seed=1)])
    assert (few.mean.low, few.mean.high) == (None, None)
    assert few.spread > 0


def test_the_same_seed_gives_the_same_interval():
    metric, records = AP50, made_up(40)
    assert GroupBootstrap(GROUPS).estimate(metric, records) == GroupBootstrap(GROUPS).estimate(metric, records)
    other = GroupBootstrap(GROUPS, seed=1).estimate(metric, records)
    assert other != GroupBootstrap(GROUPS).estimate(metric, records)


def test_resamples_without_anything_to_score_do_not_spoil_the_interval():
    # Pooled over mostly empty images, some resamples hold no object at all.
    records = {"true": np.array([5.0] + 11 * [0.0]), "predicted": np.array([5.0] + 11 * [0.0]),
               "tp50": np.array([4.0] + 11 * [0.0])}  # fmt: skip
    estimate = GroupBootstrap([str(i) for i in range(12)]).estimate(METRICS["ap50.pooled@1"], records)
    assert estimate.score == estimate.low == estimate.high == pytest.approx(4 / 6)
