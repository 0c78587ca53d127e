"""A trained PN2V takes another camera's noise model: the samples stay, how they are weighed changes."""

from pathlib import Path

import pytest
import torch
from skimage.data import camera

from zooscope.data.noise import Gaussian
from zooscope.errors import DataError, UsageError
from zooscope_zoo.noise_models.files import save
from zooscope_zoo.noise_models.fit import known_mixture
from zooscope_zoo.packaging.trained import read_run

RUN = "pn2v-bsd68-poisson"


def stated(sigma: float, path: Path, *, components: int = 3) -> str:
    save(known_mixture(Gaussian(kind="gaussian", sigma=sigma), low=0, high=255, components=components), path)
    return f"network.noise_model={path}"


def answer(*changes: str) -> torch.Tensor:
    """(2, y, x), in grey levels: the weighed samples and their plain mean."""
    trained = read_run(RUN, changes=changes)
    image = torch.from_numpy(camera()[None, None, 200:264, 200:264].astype("float32"))
    (mean,), (std,) = trained.normalisation.mean, trained.normalisation.std  # type: ignore[union-attr]
    with torch.inference_mode():
        return trained.network()((image - mean) / std)[0] * std + mean


def test_surely_measured_pixels_are_kept_and_doubtful_ones_left_to_the_samples(tmp_path: Path):
    observed = torch.from_numpy(camera()[200:264, 200:264].astype("float32"))
    sure, doubtful = (answer(stated(sigma, tmp_path / f"{sigma}.safetensors")) for sigma in (3, 300))
    prior = answer()[1]
    torch.testing.assert_close(sure[1], prior)
    torch.testing.assert_close(doubtful[1], prior)
    torch.testing.assert_close(doubtful[0], prior, atol=2, rtol=0)
    assert (sure[0] - observed).abs().mean() < 0.5 * (doubtful[0] - observed).abs().mean()


def test_a_file_that_does_not_fit_the_network_or_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match=r"one\.safetensors: a mixture of 1 components"):
        answer(stated(3, tmp_path / "one.safetensors", components=1))
    with pytest.raises(DataError, match=r"none\.safetensors"):
        answer(f"network.noise_model={tmp_path / 'none.safetensors'}")
