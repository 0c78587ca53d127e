"""Seconds of a Direct Denoiser beside those of the draws of its teacher whose mean it stands for.

All in one run, in turn, on a real noisy image of 256x256 px; weights are untrained, which changes no time. Both
networks are those of their methods' settings (`default`), or the published ladder beside a wider U-Net (`large`).
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch

from zooscope import plugins
from zooscope.data import load_dataset
from zooscope_zoo.method import count_parameters
from zooscope_zoo.training.config import make_config

THREADS, ROUNDS, DRAWS = 2, 3, (20, 100)
AT_ONCE = 20
"""Draws of one batch, which is faster than one after the other."""

SETTINGS = {
    "default": ((), ()),
    "large": (
        ("network.levels=6", "network.width=64", "network.latent=32", "network.blocks=5"),
        ("network.width=64", "network.depth=3"),
    ),
}
"""Of the teacher and of the network that it teaches."""

CUDA = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]


@pytest.fixture(autouse=True)
def _fixed_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("sizes", "device"),
    [("default", "cpu"), pytest.param("default", "cuda", marks=CUDA), pytest.param("large", "cuda", marks=CUDA)],
)
def test_one_pass_takes_a_small_part_of_the_time_of_twenty_draws(
    sizes: str, device: str, record: Callable[..., None]
) -> None:
    of_teacher, of_direct = SETTINGS[sizes]
    teacher, direct = _network("hdn", of_teacher, device), _network("direct-denoiser", of_direct, device)
    image = _image(device)
    ways = {
        "direct": lambda: direct(image),
        "mean_latents": lambda: teacher(image),
        **{f"draws_{count}": lambda count=count: _mean_of_draws(teacher, image, count) for count in DRAWS},
    }
    seconds = _in_turn(ways, device)
    told = {f"{way}_ms": round(1000 * value, 2) for way, value in seconds.items()}
    told |= {f"{way}_over_direct": round(value / seconds["direct"], 1) for way, value in seconds.items()}
    card = {"gpu": torch.cuda.get_device_name()} if device == "cuda" else {"threads": THREADS}
    record(
        f"direct-denoiser-{sizes}" + ("" if device == "cpu" else f"-{device}"),
        image_px=image.shape[-1],
        rounds=ROUNDS,
        draws_at_once=AT_ONCE,
        parameters={"hdn": count_parameters(teacher), "direct": count_parameters(direct)},
        load_average=round(os.getloadavg()[0], 1),
        **card,
        **told,
    )
    assert seconds["direct"] < seconds["draws_20"] / 2


def _network(id: str, changes: Sequence[str], device: str) -> Any:
    method = plugins.load("methods", id)
    _, config = make_config(method, ["demo-noisy"], changes)
    return method.network(config).eval().to(device, memory_format=torch.channels_last)


def _image(device: str, edge: int = 256) -> torch.Tensor:
    """The corner of a real image (1, 1, edge, edge), normalised."""
    images = (sample.image.values for sample in load_dataset("demo-noisy") if sample.axes == "yx")
    found = torch.from_numpy(next(image for image in images if min(image.shape) >= edge)[:edge, :edge])
    return ((found - found.mean()) / found.std())[None, None].to(device, memory_format=torch.channels_last)


def _mean_of_draws(network: Any, image: torch.Tensor, count: int) -> torch.Tensor:
    """Of so many, encoded once."""
    encoded, total = network.encode(image), torch.zeros_like(image)
    repeated = [feature.expand(AT_ONCE, -1, -1, -1) for feature in encoded]
    for _ in range(count // AT_ONCE):
        noise = network.standard_noise(image.expand(AT_ONCE, -1, -1, -1))
        total += network.sampled(repeated, noise)[0].sum(dim=0, keepdim=True)
    return total / count


def _in_turn(ways: dict[str, Callable[[], object]], device: str) -> dict[str, float]:
    """Median seconds of each, one after the other in every round, so that what slows the machine slows all."""
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for measured in (False, *[True] * ROUNDS):
        for way, call in ways.items():
            begin = time.perf_counter()
            with torch.inference_mode():
                call()
            if device == "cuda":
                torch.cuda.synchronize()
            if measured:
                taken[way].append(time.perf_counter() - begin)
    return {way: statistics.median(values) for way, values in taken.items()}
