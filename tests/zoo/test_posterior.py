"""The most probable value of each pixel: the highest peak of its draws, not their mean."""

import numpy as np
import pytest

from zooscope_zoo.posterior import most_probable


@pytest.mark.parametrize("share", [0.65, 0.85])
def test_of_two_peaks_it_is_the_higher_one_whatever_the_unit(share: float):
    rng = np.random.default_rng(0)
    low = rng.random((500, 1, 4, 4)) < share
    draws = np.where(low, rng.normal(10, 1, low.shape), rng.normal(40, 1, low.shape)).astype(np.float32)
    found = most_probable(draws)
    assert (found.shape, found.dtype) == (draws.shape[1:], np.float32)
    np.testing.assert_allclose(found, 10, atol=0.7)
    np.testing.assert_allclose(most_probable(1000 * draws) / 1000, found, rtol=1e-4)


def test_of_a_skewed_distribution_it_is_the_peak_where_the_mean_is_not():
    draws = np.random.default_rng(0).gamma(3.0, 1.0, (4000, 1, 3, 3)).astype(np.float32)
    assert draws.mean() == pytest.approx(3.0, abs=0.1)
    np.testing.assert_allclose(most_probable(draws), 2.0, atol=0.35)


def test_draws_that_are_all_alike_are_the_answer():
    draws = np.broadcast_to(np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3), (5, 1, 2, 3))
    np.testing.assert_array_equal(most_probable(draws), draws[0])
