"""A training step through the real pipeline beside the same step on a batch already in memory."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from zooscope import plugins
from zooscope.data import Dataset, load_dataset
from zooscope_zoo.training.config import RunConfig, make_config
from zooscope_zoo.training.loop import Trainee, _step
from zooscope_zoo.training.material import prepare
from zooscope_zoo.training.patches import Batch, Patches, Steps

WARM_UP, STEPS, ROUNDS = 5, 12, 3
"""Steps not counted, steps a round, rounds of each kind in turn (so that a drifting machine hits both alike)."""


@pytest.mark.parametrize("name", ["stardist", "unet"])
def test_patches_stay_off_the_critical_path(name: str, dsb2018: Dataset, record: Callable[..., None]) -> None:
    method = plugins.load("methods", name)
    config, network_config = make_config(method, ["dsb2018"], ["training.strata=fluorescence-256*"])
    material = prepare(method, config, network_config, [dsb2018], say=_nothing, progress=False)
    trainee = Trainee(method, network_config, method.network(network_config))
    _compare(name, config, material.training, trainee, trainee, record)


def test_blind_spots_cost_little_beside_the_network(mirror: object, record: Callable[..., None]) -> None:
    method = plugins.load("methods", "noise2void")
    config, network_config = make_config(method, ["bsd68"], [])
    material = prepare(method, config, network_config, [load_dataset("bsd68")], say=_nothing, progress=False)
    network = method.network(network_config)
    trainee = Trainee(method, network_config, network)
    _compare("noise2void", config, material.training, trainee, _Bare(network), record)


class _Bare(nn.Module):
    """A network taught by the plain squared error, without blind spots."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, images: Tensor, targets: Tensor) -> Mapping[str, Tensor]:
        return {"squared-error": ((self.network.logits(images) - targets) ** 2).mean()}


def _compare(
    name: str, config: RunConfig, patches: Patches, trainee: nn.Module, bare: nn.Module, record: Callable[..., None]
) -> None:
    """Steps of `trainee` on fresh patches, and of `bare`, around the same network, on a batch in memory."""
    accelerator = Accelerator()
    for module in (trainee, bare):
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(trainee.parameters())
    optimiser = accelerator.prepare(optimiser)
    loader = DataLoader(
        Steps(patches, config.training),
        batch_size=None, sampler=range(1000),
        num_workers=config.training.workers, prefetch_factor=4,
    )  # fmt: skip
    fresh: Iterator[Batch] = iter(loader)
    kept = next(fresh)

    def seconds(module: nn.Module, batch: Callable[[], Batch]) -> float:
        begin = time.perf_counter()
        for _ in range(STEPS):
            _step(module, optimiser, accelerator, batch(), clip_norm=5.0)
        return (time.perf_counter() - begin) / STEPS

    real, in_memory = partial(seconds, trainee, lambda: next(fresh)), partial(seconds, bare, lambda: kept)
    for _ in range(WARM_UP):
        _step(trainee, optimiser, accelerator, next(fresh), clip_norm=5.0)
    pairs = [(real(), in_memory()) for _ in range(ROUNDS)]
    ratio = statistics.median(real / bare for real, bare in pairs)
    record(
        f"training-step-{name}",
        batch=config.training.batch,
        patch_px=config.training.patch_px,
        real_s=[round(real, 3) for real, _ in pairs],
        in_memory_s=[round(bare, 3) for _, bare in pairs],
        ratio=round(ratio, 3),
        limit=1.10,
    )
    assert ratio <= 1.10


def _nothing(_: str) -> None: ...
