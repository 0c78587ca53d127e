"""Noise by stated protocols, added to clean images: seeded per image, unclipped, the same numbers everywhere.

The draws are those of NumPy's RandomState, whose streams are frozen, rounded to 1/256 of a grey level, so that no last
bit of a processor's logarithm shows. The rounding adds a variance of 1.3e-6.
"""

import hashlib
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

STEP = 1 / 256


class Gaussian(BaseModel):
    """Every pixel on its own: clean + N(0, sigma)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["gaussian"]
    sigma: float = Field(gt=0, description="grey levels")


class PoissonGaussian(BaseModel):
    """A camera: gain * Poisson(clean / gain) + N(0, sigma)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["poisson-gaussian"]
    gain: float = Field(gt=0, description="grey levels a photon")
    sigma: float = Field(gt=0, description="of reading out, grey levels")


class Box(BaseModel):
    """Correlated along x: white noise averaged over `width_px` pixels of a row, then scaled to a deviation of sigma."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["box-x"]
    sigma: float = Field(gt=0, description="grey levels")
    width_px: int = Field(gt=1)


AnyNoise = Gaussian | PoissonGaussian | Box
Noise = Annotated[AnyNoise, Field(discriminator="kind")]


def add_noise(clean: NDArray[np.generic], noise: AnyNoise, *, seed: str) -> NDArray[np.float32]:
    """A noisy image.

    Parameters
    ----------
    clean : (y, x), grey levels; for Poisson noise not negative.
    seed : text; the same one gives the same draws.
    """
    state = np.random.RandomState(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "little"))
    image = _noisy(clean.astype(np.float64), noise, state)
    return (np.round(image / STEP) * STEP).astype(np.float32)


def noisy_patch(clean: NDArray[np.float32], noise: AnyNoise, rng: np.random.Generator) -> NDArray[np.float32]:
    """A patch (c, y, x) under noise drawn from a stream of one's own, for a training that never sees a draw twice."""
    return np.stack([_noisy(plane, noise, rng) for plane in clean]).astype(np.float32)


def _noisy(
    image: NDArray[Any], noise: AnyNoise, state: np.random.RandomState | np.random.Generator
) -> NDArray[np.float64]:
    """(y, x) under the noise."""
    if isinstance(noise, Gaussian):
        return image + noise.sigma * state.standard_normal(image.shape)
    if isinstance(noise, PoissonGaussian):
        return noise.gain * state.poisson(image / noise.gain) + noise.sigma * state.standard_normal(image.shape)
    white = state.standard_normal((image.shape[0], image.shape[1] + noise.width_px - 1))
    sums = np.lib.stride_tricks.sliding_window_view(white, noise.width_px, axis=1).sum(axis=-1)
    return image + noise.sigma / np.sqrt(noise.width_px) * sums
