"""What running a package costs beside its bare network, and beside bioimageio.core's own ways to run it.

All in one run, interleaved, on test images of DSB 2018 (256x256; reflected to 512x512 beforehand for the network that
takes only that size). Every way but the bare network goes from an image to its maps, with pre- and postprocessing and
without decoding: `maps` is a Model here, `process` a row's worker, `core` a pipeline created once, without its padding.
"""

import io
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import loguru
import numpy as np
import onnxruntime as ort
import pytest
import torch
import xarray as xr
from bioimageio.core import create_prediction_pipeline, predict
from bioimageio.core.digest_spec import create_sample_for_model
from bioimageio.spec import load_model_description
from numpy.typing import NDArray

from zooscope.data import Dataset
from zooscope.model import Model, find_package
from zooscope.package import open_package
from zooscope.predict.process import ModelProcess

THREADS, IMAGES, ROUNDS = 2, 10, 7
SETTLE_S = 0.5
"""OpenMP's threads spin for a while after their work, which slows the next way where it runs in another process."""

FOREIGN = "unet2d-nuclei-broad-v0.5"
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")],
    ),
]
Tile = NDArray[np.float32]


@pytest.fixture(autouse=True)
def _fixed_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def images(dsb2018: Dataset) -> list[xr.DataArray]:
    test = dsb2018.only("test")
    ids = [id for id in test.ids if test.table.loc[id, "stratum"] == "fluorescence-256x256"]
    return [test[id].image for id in ids[:IMAGES]]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("weights", ["torchscript", "onnx"])
@pytest.mark.parametrize("name", ["stardist-dsb2018", FOREIGN])
def test_the_network_is_what_costs(
    name: str, weights: str, device: str, images: list[xr.DataArray], mirror: Path, record: Callable[..., None]
) -> None:
    if device == "cuda" and weights == "onnx" and "CUDAExecutionProvider" not in ort.get_available_providers():
        pytest.skip("this build of ONNX Runtime has no CUDA")
    path = mirror / "packages" / f"{name}.zip" if name == FOREIGN else find_package(name)
    package = open_package(path)
    if not package.input.sizes[0].step:
        images = [image.pad(y=(128, 128), x=(128, 128), mode="reflect") for image in images]
    model = Model(package, weights=weights, device=device)
    tiles = _tiles(model, images)
    bare = _bare(package.read_weights(weights), weights, device)
    pipeline = _core_pipeline(path, weights, device)
    with ModelProcess(path, weights=weights, device=device, time_limit_s=120) as process:
        ways = {
            "bare": lambda: [bare(tile) for tile in tiles],
            "maps": lambda: [model.maps(image) for image in images],
            "process": lambda: list(process.maps_of(images)),
            "core": lambda: [_core_maps(pipeline, image, padding=False) for image in images],
        }
        for ours, theirs in zip(ways["maps"](), ways["core"](), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5 if device == "cpu" else 2e-3)
        seconds = _interleaved(ways, rounds=ROUNDS)
    if package.input.sizes[0].step or weights != "onnx":  # ONNX of one fixed size fails on core's padding
        seconds["core_padded"] = _of_a_few(lambda image: _core_maps(pipeline, image, padding=True), images)
        seconds["core_predict"] = _of_a_few(lambda image: _core_predict(pipeline, image), images)
    told = {f"{way}_ms_per_image": round(1000 * value / len(images), 2) for way, value in seconds.items()}
    told |= {
        "maps_over_bare": round(seconds["maps"] / seconds["bare"], 3),
        **{
            f"{way}_over_process": round(seconds[way] / seconds["process"], 3)
            for way in seconds
            if way.startswith("core")
        },
    }
    told["load_average"] = round(os.getloadavg()[0], 1)
    place = "" if device == "cpu" else f"-{device}"
    card = {} if device == "cpu" else {"gpu": torch.cuda.get_device_name(), "together": model.together}
    record(f"predict-{name}-{weights}{place}", images=len(images), rounds=ROUNDS, threads=THREADS, **card, **told)


def _interleaved(ways: dict[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Median seconds of each, one after the other in every round, so that what slows the machine slows all."""
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for call in ways.values():
        call()
    for _ in range(rounds):
        for way, call in ways.items():
            time.sleep(SETTLE_S)
            begin = time.perf_counter()
            call()
            taken[way].append(time.perf_counter() - begin)
    return {way: statistics.median(values) for way, values in taken.items()}


def _of_a_few(call: Callable[[xr.DataArray], object], images: Sequence[xr.DataArray], few: int = 3) -> float:
    """Seconds of all images, estimated from a few: what is several times as slow needs no more."""
    call(images[0])
    taken = []
    for image in images[:few]:
        begin = time.perf_counter()
        call(image)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * len(images)


def _tiles(model: Model, images: Sequence[xr.DataArray]) -> list[Tile]:
    """What the network is given, in the order that it is given."""
    seen: list[Tile] = []
    network = model._network

    def listening(batch: Any) -> Any:
        seen.append(np.array(batch.cpu() if isinstance(batch, torch.Tensor) else batch))
        return network(batch)

    model._network = listening
    for image in images:
        model.maps(image)
    model._network = network
    return seen


def _bare(weights: bytes, weights_format: str, device: str) -> Callable[[Tile], object]:
    if weights_format == "torchscript":
        module = torch.jit.load(io.BytesIO(weights), map_location=device).eval()

        def run(tile: Tile) -> object:
            with torch.inference_mode():
                return module(torch.from_numpy(tile).to(device)).cpu().numpy()

        return run
    session = ort.InferenceSession(weights, providers=[PROVIDERS[device]])
    name = session.get_inputs()[0].name
    return lambda tile: session.run(None, {name: tile})[0]


def _core_pipeline(path: Path, weights: str, device: str) -> Any:
    loguru.logger.disable("bioimageio")
    formats = {"torchscript": "torchscript", "onnx": "onnx"}
    devices = [device if weights == "torchscript" else PROVIDERS[device]]
    description = load_model_description(path, format_version="latest", perform_io_checks=False)
    pipeline = create_prediction_pipeline(description, weight_format=formats[weights], devices=devices)
    pipeline.load()
    return pipeline


def _core_sample(pipeline: Any, image: xr.DataArray) -> Any:
    (tensor,) = pipeline.model_description.inputs
    array = image.values[None, None]
    if image.dtype != np.float32:
        array = array.astype(np.float32)
    return create_sample_for_model(pipeline.model_description, inputs={str(tensor.id): array})


def _core_maps(pipeline: Any, image: xr.DataArray, *, padding: bool) -> NDArray[np.float32]:
    out = pipeline.predict_sample_without_blocking(
        _core_sample(pipeline, image), skip_input_padding=not padding, skip_output_cropping=not padding
    )
    (tensor,) = out.members.values()
    return tensor.data.to_numpy()[0]


def _core_predict(pipeline: Any, image: xr.DataArray) -> object:
    (tensor,) = pipeline.model_description.inputs
    return predict(model=pipeline, inputs={str(tensor.id): image.values[None, None].astype(np.float32)})
