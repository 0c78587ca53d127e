"""Draws from the very distribution of the truth are calibrated, others are not, and both are told."""

import numpy as np
import pytest

from zooscope_zoo.drawing.calibration import Calibration, coverage, ranks


def calibrated(n: int, *, spread: float = 1.0, images: int = 20) -> Calibration:
    """Posteriors N(m, s) that differ from pixel to pixel; the truth is of deviation s, draws of `spread` s."""
    random, found = np.random.default_rng(0), Calibration()
    for k in range(images):
        mean, deviation = random.normal(0, 5, (1, 40, 40)), random.uniform(0.1, 3, (1, 40, 40))
        truth = random.normal(mean, deviation)
        found.add([random.normal(mean, spread * deviation) for _ in range(n)], truth, group=str(k))
    return found


@pytest.mark.parametrize("n", [20, 33, 100])
def test_draws_of_the_very_distribution_have_nominal_coverage(n: int):
    observed = calibrated(n).observed()
    assert set(observed) == {0.5, 0.8, 0.9}
    for level, one in observed.items():
        assert one.score == pytest.approx(level, abs=0.01)  # four standard errors of 32,000 pixels
        assert one.low is not None
        assert one.low < level < one.high


def test_draws_that_are_too_much_alike_cover_too_little_and_the_interval_says_so():
    for level, one in calibrated(40, spread=0.5).observed().items():
        assert one.high is not None
        assert one.high < level - 0.1


def test_few_draws_tell_nothing_of_wide_intervals_and_few_groups_have_no_interval():
    few = calibrated(4, images=3).observed()
    assert set(few) == {0.5}
    assert few[0.5].low is None


def test_a_rank_is_the_number_of_draws_below_the_truth():
    draws = [np.array([0.0, 0.0, 5.0, 1.0]), np.array([1.0, 3.0, 6.0, 1.0])]
    np.testing.assert_allclose(ranks(draws, np.array([2, 2, 2, 1])), [0.25, 0.5, 0.25])


def test_ranks_that_an_interval_holds_in_part_count_in_part():
    thirds = [coverage(np.array(shares), 0.5) for shares in ([1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0])]
    assert thirds == pytest.approx([0.25, 1, 0.25])
    even = np.full(8, 1 / 8)
    assert [coverage(even, level) for level in (0, 0.3, 1)] == pytest.approx([0, 0.3, 1])
