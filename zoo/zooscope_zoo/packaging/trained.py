"""Trained: a run's network, rounded, with what it was made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor, nn

from zooscope import plugins
from zooscope.errors import UsageError
from zooscope.predict.tiling import AxisSize
from zooscope.sample import Task
from zooscope_zoo.method import LearnsClasses, Method, NetworkConfig, WeighsByNoise
from zooscope_zoo.training.config import RunConfig, changed_network
from zooscope_zoo.training.images import PERCENTILES
from zooscope_zoo.training.normalisation import Normalisation
from zooscope_zoo.training.own_percentiles import DECODER, AnyNormalisation, OwnPercentiles
from zooscope_zoo.training.run_folder import find_run
from zooscope_zoo.turning import Turning, unchanged

MAX_HALO_PX = 128
"""A network's field may reach further, but a larger halo leaves little of a tile."""


@dataclass(frozen=True)
class Trained:
    """A method's network after training.

    Attributes
    ----------
    weights : by name; rounded to half precision and cast back to float32: from here on they are the model.
    data : what it was trained on, as `about.json` tells it, in the order of `config.datasets`.
    started_from : the model that it was first, or None. taught_by : the model that it learned from, or None.
    earlier : what those were trained on, and it was not.
    normalisation : of images that are restored; None of those with objects, each scaled by its own percentiles.
    object_percentiles : by which an image with objects is scaled; others than ours of a network trained elsewhere.
    curves : losses of each validation, or None.
    """

    method: Method
    config: RunConfig
    settings: NetworkConfig
    weights: Mapping[str, Tensor]
    data: tuple[Mapping[str, Any], ...]
    started_from: str | None = None
    taught_by: str | None = None
    earlier: tuple[Mapping[str, Any], ...] = ()
    normalisation: AnyNormalisation | None = None
    object_percentiles: tuple[float, float] = PERCENTILES
    curves: pd.DataFrame | None = field(default=None, compare=False)

    def network(self) -> nn.Module:
        """A new network with the weights, in evaluation mode."""
        network = self.method.network(self.settings)
        network.load_state_dict(self.weights)
        return network.eval()

    @property
    def names(self) -> list[str]:
        """The data sets' names."""
        return [str(item["dataset"]) for item in self.data]

    @property
    def intensities(self) -> int | None:
        """How many of the maps are intensities, of a method that restores images."""
        method: Any = self.method
        return method.intensities(self.settings) if self.normalisation else None

    @property
    def space(self) -> str:
        """Axes of space of what the network takes: "yx", or "zyx" of volumes."""
        return self.settings.space

    def sizes_of(self, axis: str) -> AxisSize:
        """Lengths of an axis of space that the package takes.

        Of z no halo is stated: stacks are thinner than two of them, and are given whole.
        """
        step = self.method.multiple_px(self.settings)
        return AxisSize(step, step) if axis == "z" else self.sizes

    @property
    def percentiles(self) -> tuple[float, float] | None:
        """By which each image is scaled; None where all are scaled alike."""
        if isinstance(self.normalisation, OwnPercentiles):
            return self.normalisation.low, self.normalisation.high
        return self.object_percentiles if self.normalisation is None else None

    @property
    def decoder(self) -> str:
        """Id of the decoder: the method's own, or what undoes the scaling by an image's percentiles."""
        return DECODER if isinstance(self.normalisation, OwnPercentiles) else self.method.decoder(self.settings)

    @property
    def classes(self) -> tuple[str, ...]:
        """Of objects, which the network tells apart; none of most."""
        return self.method.classes(self.settings) if isinstance(self.method, LearnsClasses) else ()

    @property
    def decoder_params(self) -> dict[str, Any]:
        """Parameters of the decoder that follow from the network; others are tuned."""
        if self.classes:
            return {"classes": list(self.classes)}
        return {"intensities": self.intensities} if self.decoder == DECODER and self.intensities else {}

    @property
    def turning(self) -> Turning:
        """What becomes of the maps when the image is turned; UsageError where they do not turn with it."""
        method: Any = self.method
        if method.task is Task.RESTORATION:
            return unchanged(len(method.map_names(self.settings)))
        return method.turning(self.settings)

    @property
    def sizes(self) -> AxisSize:
        """Lengths of y and of x that the package takes: more than two halos, in steps of what the network needs."""
        step = self.method.multiple_px(self.settings)
        return AxisSize(2 * self.halo_px + step, step)

    @property
    def halo_px(self) -> int:
        """Half the receptive field, rounded up to what the network needs, at most about 128 px of the image."""
        step = self.method.multiple_px(self.settings)
        radius = self.method.describe(self.settings).receptive_field_px // 2
        return -(-min(radius, MAX_HALO_PX) // step) * step


def read_run(source: str | Path, *, changes: Sequence[str] = ()) -> Trained:
    """The weights that a run's method keeps, of its folder or shipped ones by their id.

    Parameters
    ----------
    changes : settings which the weights do not depend on, such as "network.prior_levels=1" of HDN, or PN2V's noise
        model, "network.noise_model=FILE", which takes the place of the trained one in the weights.

    Raises
    ------
    UsageError : no training there, no weights yet, weights beyond the range of half precision, or settings that they do
        not fit.
    """
    folder = find_run(source)
    config = folder.config()
    method: Method = plugins.load("methods", config.method)
    weights = {
        name: _rounded(value, name, folder.path) for name, value in sorted(folder.read_weights(method.keeps).items())
    }
    settings: Any = changed_network(method, config.network, changes)
    normalisation = folder.normalisation()
    if isinstance(method, WeighsByNoise) and settings.noise_model != config.network["noise_model"]:
        assert isinstance(normalisation, Normalisation), "such a method has all images scaled alike"
        noise = method.noise_weights(settings, normalisation)
        weights |= {name: _rounded(value, name, Path(settings.noise_model)) for name, value in noise.items()}
    config = config.model_copy(update={"network": settings.model_dump()})
    about = folder.about()
    start, taught = about.get("started_from", {}), about.get("taught_by", {})
    trained = Trained(
        method, config, settings, weights,
        data=tuple(about["data"]),
        started_from=start.get("model"),
        taught_by=taught.get("model"),
        earlier=(*start.get("data", ()), *(item for item in taught.get("data", ()) if item not in about["data"])),
        normalisation=normalisation,
        curves=folder.curves(),
    )  # fmt: skip
    if changes:
        _refuse_unfit(trained, changes)
    return trained


def _refuse_unfit(trained: Trained, changes: Sequence[str]) -> None:
    try:
        trained.network()
    except RuntimeError as error:
        raise UsageError(f"--set {' '.join(changes)}: the weights do not fit it; it takes a training anew") from error


def _rounded(value: Tensor, name: str, path: Path) -> Tensor:
    if not value.is_floating_point():
        return value
    rounded = value.half().float()
    if not rounded.isfinite().all():
        raise UsageError(f"{path}: weight '{name}' reaches {float(value.abs().max()):g}, beyond half precision (65504)")
    return rounded
