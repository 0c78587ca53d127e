"""A mixture of Gaussians fitted to pixels whose signal is known, by maximum likelihood."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zooscope.data.noise import AnyNoise, noisy_patch
from zooscope.errors import DataError
from zooscope_zoo.nn.noise_model import GaussianMixture

Pixels = NDArray[Any]

LEAST = 1000
"""Pixels; fewer tell nothing of a distribution's tails."""

_BINS, _PER_BIN = 64, 800


def fit_mixture(
    observed: Pixels, signal: Pixels, *, components: int = 3, degree: int = 2, seed: int = 0
) -> GaussianMixture:
    """The mixture that makes the observed values likeliest; valid from the least to the largest signal.

    All signals count alike, however few pixels have them: up to 800 are drawn from each of 64 bins of the range.

    Parameters
    ----------
    observed, signal : of one shape, intensity units.
    seed : of the draw; the same pixels and seed give the same model.

    Raises
    ------
    DataError : too few pixels, one signal alone, or values that are not finite.
    """
    x, s = _balanced(*flat_pixels(observed, signal), seed=seed)
    model = GaussianMixture(components, degree).double()
    model.low, model.high = (torch.tensor(float(end), dtype=torch.float64) for end in (s.min(), s.max()))
    model.scale = torch.tensor(float(np.sqrt(((x - s) ** 2).mean())) or 1.0, dtype=torch.float64)
    _begin(model, x, s)
    learned = [model.weights, model.offsets, model.variances]
    for tensor in learned:
        tensor.requires_grad_()
    optimiser = torch.optim.LBFGS(learned, max_iter=150, history_size=20, line_search_fn="strong_wolfe")
    pixels = torch.from_numpy(x), torch.from_numpy(s)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = -model.log_likelihood(*pixels).mean()
        value.backward()
        return value

    optimiser.step(loss)
    for tensor in learned:
        tensor.requires_grad_(False)
    return model.float()


def known_mixture(
    noise: AnyNoise, *, low: float, high: float, components: int = 1, degree: int = 2, seed: int = 0
) -> GaussianMixture:
    """Of noise that a data card states, for signals from `low` to `high`.

    One component has the noise's own mean and variance at every signal, exactly (gain * signal + sigma^2 of
    Poisson-Gaussian noise, as Foi et al. 2008, doi:10.1109/TIP.2008.2001399, have it); several are fitted to 200,000
    draws and also have its skewness. Correlated noise is taken for what each pixel sees of it.
    """
    if components > 1:
        rng = np.random.default_rng(seed)
        signal = rng.uniform(max(low, 0), high, (1, 400, 500)).astype(np.float32)
        model = fit_mixture(noisy_patch(signal, noise, rng), signal, components=components, degree=degree, seed=seed)
    else:
        model = GaussianMixture(1, degree)
        at_low, at_high = (noise.sigma**2 + getattr(noise, "gain", 0.0) * end for end in (max(low, 0), high))
        model.scale = torch.tensor(at_high**0.5)
        model.variances[0, 0] = at_low / at_high
        if degree:
            model.variances[0, 1] = 1 - at_low / at_high
    model.low, model.high = torch.tensor(float(max(low, 0))), torch.tensor(float(high))
    return model


def flat_pixels(observed: Pixels, signal: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64 (n,); DataError where nothing can be learned from them."""
    if observed.shape != signal.shape:
        raise DataError(f"observed values of shape {observed.shape}, but signals of {signal.shape}")
    x, s = observed.astype(np.float64).ravel(), signal.astype(np.float64).ravel()
    if x.size < LEAST:
        raise DataError(f"{x.size} pixels; a noise model needs {LEAST} at least")
    if not (np.isfinite(x).all() and np.isfinite(s).all()):
        raise DataError("pixels that are no number, or infinite")
    if s.min() == s.max():
        raise DataError(f"every pixel's signal is {s[0]:g}; a noise model is of a range of signals")
    return x, s


def _balanced(
    x: NDArray[np.float64], s: NDArray[np.float64], *, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels of each bin of the signal, of which the least and the largest signal are two."""
    order = np.random.default_rng(seed).permutation(s.size)
    bins = np.minimum(((s[order] - s.min()) / np.ptp(s) * _BINS).astype(int), _BINS - 1)
    by_bin = np.argsort(bins, kind="stable")
    begins = np.searchsorted(bins[by_bin], np.arange(_BINS))
    rank = np.arange(s.size) - begins[bins[by_bin]]
    kept = np.concatenate([order[by_bin[rank < _PER_BIN]], [s.argmin(), s.argmax()]])
    return x[kept], s[kept]


def _begin(model: GaussianMixture, x: NDArray[np.float64], s: NDArray[np.float64]) -> None:
    """Narrow to wide Gaussians around the variance that a polynomial has, their offsets a little apart."""
    low, high, scale = (float(value) for value in (model.low, model.high, model.scale))
    powers = np.vander((s - low) / (high - low), model.degree + 1, increasing=True)
    variance, *_ = np.linalg.lstsq(powers, ((x - s) / scale) ** 2, rcond=None)
    factors = torch.logspace(-0.5, 0.5, model.components, dtype=torch.float64) if model.components > 1 else [1.0]
    for index, factor in enumerate(factors):
        model.variances[index] = torch.from_numpy(variance) * factor
        model.offsets[index, 0] = 0.1 * (index - (model.components - 1) / 2)
