"""A training step through the real pipeline beside the same step on a batch already in memory."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from zooscope import plugins
from zooscope.data import Dataset
from zooscope_zoo.training.config import make_config
from zooscope_zoo.training.images import load_images, split_samples
from zooscope_zoo.training.loop import Trainee, _step
from zooscope_zoo.training.object_patches import ObjectPatches
from zooscope_zoo.training.patches import Steps

WARM_UP, STEPS, ROUNDS = 5, 12, 3
"""Steps not counted, steps a round, rounds of each kind in turn (so that a drifting machine hits both alike)."""


@pytest.mark.parametrize("name", ["stardist", "unet"])
def test_patches_stay_off_the_critical_path(name: str, dsb2018: Dataset, record: Callable[..., None]) -> None:
    method = plugins.load("methods", name)
    config, network_config = make_config(method, ["dsb2018"], ["training.strata=fluorescence-256*"])
    ids, _ = split_samples(dsb2018, strata=config.training.strata)
    images = load_images(
        dsb2018, ids[:60], channels=1, planes=lambda labels: method.planes(labels, network_config),
        label="training", progress=False,
    )  # fmt: skip
    accelerator = Accelerator()
    network = method.network(network_config).to(memory_format=torch.channels_last)
    trainee: Any = Trainee(method, network_config, network)
    optimiser = torch.optim.AdamW(trainee.parameters())
    trainee, optimiser = accelerator.prepare(trainee, optimiser)

    def targets(labels: Any, planes: Any) -> Any:
        return method.targets(labels, planes, network_config)

    loader = DataLoader(
        Steps(ObjectPatches(images, targets, config.training, config.augment), config.training),
        batch_size=None, sampler=range(1000),
        num_workers=config.training.workers, prefetch_factor=4,
    )  # fmt: skip
    fresh = iter(loader)
    kept = next(fresh)

    def seconds(batch: Callable[[], Any]) -> float:
        begin = time.perf_counter()
        for _ in range(STEPS):
            _step(trainee, optimiser, accelerator, batch(), clip_norm=5.0)
        return (time.perf_counter() - begin) / STEPS

    for _ in range(WARM_UP):
        _step(trainee, optimiser, accelerator, next(fresh), clip_norm=5.0)
    pairs = [(seconds(lambda: next(fresh)), seconds(lambda: kept)) for _ in range(ROUNDS)]
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
