"""Draws follow from image, seed and number alone, however they are batched and tiled."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from zooscope.data import load_dataset
from zooscope.errors import UsageError
from zooscope_zoo.drawing import sampler as module
from zooscope_zoo.drawing.moments import Moments
from zooscope_zoo.drawing.sampler import Sampler, open_sampler

Image = NDArray[np.generic]


def several(sampler: Sampler, image: Image, n: int, seed: int = 0) -> NDArray[np.float32]:
    return np.stack(list(sampler.draws(image, n, seed=seed)))


def test_a_draw_follows_from_image_seed_and_number(sampler: Sampler, image: Image):
    draws = several(sampler, image, 5)
    assert draws.shape == (5, 1, *image.shape)
    assert draws.dtype == np.float32
    np.testing.assert_allclose(several(sampler, image, 2), draws[:2], rtol=1e-5, atol=1e-3)
    assert np.abs(draws[0] - draws[1]).mean() > 0.1
    assert np.abs(several(sampler, image, 1, seed=1)[0] - draws[0]).mean() > 0.1


def test_batches_do_not_change_draws(sampler: Sampler, image: Image, monkeypatch: pytest.MonkeyPatch):
    together = several(sampler, image, 3)
    monkeypatch.setattr(module, "PX_AT_ONCE", 1)
    np.testing.assert_allclose(several(sampler, image, 3), together, rtol=1e-5, atol=1e-3)


def test_draws_of_tiles_fit_together(sampler: Sampler):
    image = next(iter(load_dataset("demo-noisy", split="test"))).image.values[:203, :229]
    whole = several(sampler, image, 2)
    assert sampler.halo_px < 50
    tiled = several(replace(sampler, largest_px=120), image, 2)
    np.testing.assert_allclose(tiled, whole, rtol=1e-4, atol=1e-2)


def test_draws_are_in_the_units_of_the_image(sampler: Sampler, image: Image):
    mean = several(sampler, image, 16).mean(axis=0)[0]
    assert abs(mean.mean() - image.mean()) < 0.25 * image.std()
    assert np.corrcoef(mean.ravel(), image.ravel())[0, 1] > 0.5


def test_levels_of_the_run_take_their_prior(sampler: Sampler, image: Image):
    seen: list[dict[str, int]] = []

    class Spy(torch.nn.Module):
        standard_noise, encode = sampler.network.standard_noise, sampler.network.encode
        prior_levels = 1

        def sampled(self, *given: object, **options: int) -> object:
            seen.append(options)
            return sampler.network.sampled(*given, **options)

    with_prior = several(replace(sampler, network=Spy()), image, 2)
    assert seen == [{"prior_levels": 1}]
    assert np.abs(with_prior - several(sampler, image, 2)).mean() > 0.01


def test_mean_and_deviation_are_those_of_the_draws(sampler: Sampler, image: Image):
    moments, draws = Moments(), several(sampler, image, 6)
    for draw in draws:
        moments.add(draw)
    np.testing.assert_allclose(moments.mean, draws.mean(axis=0, dtype=np.float64), rtol=1e-9)
    np.testing.assert_allclose(moments.deviation, draws.std(axis=0, ddof=1, dtype=np.float64), rtol=1e-9)


def test_what_does_not_draw_is_told_so_in_one_line(hdn_run: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UsageError, match=r"care gives one answer and does not draw; .*hdn.* do"):
        open_sampler("care-dsb2018-noisy")
    with pytest.raises(UsageError, match="packages give one answer"):
        open_sampler("some.zip")
    with pytest.raises(UsageError, match="no training here"):
        open_sampler(hdn_run.parent / "nothing")


def test_too_large_an_image_is_refused(sampler: Sampler):
    with pytest.raises(UsageError, match=r"9000 x 9000 px"):
        next(sampler.draws(np.broadcast_to(np.uint8(0), (9000, 9000)), 1))
    with pytest.raises(UsageError, match="0 draws"):
        sampler.draws(np.zeros((32, 32)), 0)


def test_levels_can_be_switched_off_after_training(hdn_run: Path, sampler: Sampler, image: Image):
    off = open_sampler(hdn_run, device="cpu", changes=["network.prior_levels=1"])
    assert np.abs(several(off, image, 1) - several(sampler, image, 1)).mean() > 0.1
    with pytest.raises(UsageError, match=r"--set network.width=8: the weights do not fit it"):
        open_sampler(hdn_run, changes=["network.width=8"])
    with pytest.raises(UsageError, match="section network alone"):
        open_sampler(hdn_run, changes=["training.steps=5"])
    with pytest.raises(UsageError, match=r"setting 'network.colour'"):
        open_sampler(hdn_run, changes=["network.colour=1"])
