"""Baselines: what is ranked without a package, as `baseline:<name>@<version>`. Each is a function of one gray image."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.baselines import denoisers, thresholds
from zooscope.errors import UsageError
from zooscope.sample import Task


@dataclass(frozen=True)
class Baseline:
    """A method without a network.

    Attributes
    ----------
    function : gray image float32 (y, x) -> labels int32 or restored plane float32 (y, x), with keyword parameters.
    task : what it is an answer to. The planes of a colour image are restored one by one.
    search : values of each parameter that tuning on the validation split tries; empty where nothing is tuned.
    """

    name: str
    version: int
    about: str
    function: Callable[..., NDArray[Any]]
    task: Task
    search: Mapping[str, tuple[Any, ...]] = field(default_factory=dict[str, tuple[Any, ...]])

    @property
    def id(self) -> str:
        """As a user names it."""
        return f"baseline:{self.name}@{self.version}"

    def answer(self, planes: NDArray[np.float32], shape: tuple[int, ...], **params: Any) -> NDArray[Any]:
        """Labels (y, x), or the restored image of `shape`, of an image's planes (c, y, x)."""
        found = [self.function(plane, **params) for plane in planes]
        return np.stack(found, axis=-1) if len(shape) == 3 else found[0]


BASELINES = (
    Baseline(
        "otsu-watershed",
        1,
        "Otsu's threshold and a distance watershed; nothing is tuned",
        thresholds.otsu_watershed,
        Task.INSTANCE_SEGMENTATION,
    ),
    Baseline(
        "local-threshold",
        1,
        "local threshold and a distance watershed, tuned on the validation split",
        thresholds.local_threshold,
        Task.INSTANCE_SEGMENTATION,
        {
            "block_px": (51, 101, 201, 301),
            "offset": (0.05, 0.1, 0.15, 0.2),
            "min_distance_px": (5, 9),
            "min_size_px": (32, 64),
        },
    ),
    Baseline("noisy", 1, "the image as it is", denoisers.noisy, Task.RESTORATION),
    Baseline(
        "gaussian",
        1,
        "a Gaussian filter, its width tuned on the validation split",
        denoisers.gaussian,
        Task.RESTORATION,
        {"sigma_px": (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0)},
    ),
    Baseline(
        "non-local-means",
        1,
        "non-local means, tuned on the validation split",
        denoisers.non_local_means,
        Task.RESTORATION,
        {"strength": (0.4, 0.5, 0.6, 0.7, 0.8, 1.0), "patch_px": (3, 5, 7)},
    ),
)


def find_baseline(id: str) -> Baseline:
    """The baseline of that id; UsageError names those there are."""
    for baseline in BASELINES:
        if baseline.id == id:
            return baseline
    raise UsageError(f"model '{id}' is not one of {', '.join(item.id for item in BASELINES)}")
