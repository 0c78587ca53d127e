"""Scales: that of every image of a row, found by the contender itself before it is run."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from skimage.segmentation import relabel_sequential

from zooscope import atomic
from zooscope.cache import cache_folder
from zooscope.contender import Contender, Predictor, maps_of
from zooscope.decoding import Decoded, Decoders
from zooscope.resampling import scaled_image, scaled_labels, scaled_shape
from zooscope.runkey import PREDICT_VERSION, digest_of
from zooscope.sample import Sample
from zooscope.sizing import View, scale_between, scale_of, scales_ahead, seen_at, view


@dataclass(frozen=True)
class Scale:
    """By how much an image is enlarged, and the seconds that it took to find out."""

    factor: float = 1.0
    seconds: float = 0.0


def find_scales(
    contender: Contender,
    predictor: Predictor,
    samples: Callable[[], Iterable[Sample]],
    *,
    data: Any,
    time_limit_s: float = 600,
) -> Mapping[str, Scale]:
    """The scale of each image by its id; empty where images are predicted as they are.

    Parameters
    ----------
    samples : the images; gone through again where some have to be looked at once more.
    data : names the images' content. What was found of an image is kept under it, so a killed search goes on.
    time_limit_s : the longest that decoding one image may take.
    """
    sizing = contender.sizing
    if sizing is None:
        return {}
    if sizing.given_px is not None:
        factor = scale_between(sizing.given_px, sizing.known_px)
        return {sample.id: Scale(factor) for sample in samples()}
    key = digest_of(contender.digest, dict(contender.protocol), dict(contender.params), data, PREDICT_VERSION)
    folder, views, seconds = cache_folder("scales", key), dict[str, list[View]](), dict[str, float]()

    def ahead(id: str) -> list[tuple[float, Path]]:
        scales = scales_ahead(views.setdefault(id, []), sizing.known_px)
        return [(scale, folder / f"{id}@{scale:g}.json") for scale in scales]

    def look(samples: Iterable[Sample]) -> None:
        found = dict[str, list[Path]]()

        def asked() -> Iterator[tuple[Sample, float, Path]]:
            for sample in samples:
                scales = ahead(sample.id)
                found[sample.id] = [file for _, file in scales]
                yield from ((sample, scale, file) for scale, file in scales if not file.is_file())

        _look(contender, sizing.known_px, predictor, asked(), time_limit_s=time_limit_s)
        for id, files in found.items():
            told = [json.loads(file.read_text()) for file in files]
            views[id] += [View(**one["view"]) for one in told]
            seconds[id] = seconds.get(id, 0.0) + sum(one["seconds"] for one in told)

    look(samples())
    while any(ahead(id) for id in list(views)):
        look(samples())
    return {id: Scale(scale_of(seen, sizing.known_px), seconds[id]) for id, seen in views.items()}


def _look(
    contender: Contender,
    known_px: float,
    predictor: Predictor,
    asked: Iterable[tuple[Sample, float, Path]],
    *,
    time_limit_s: float,
) -> None:
    """Write what is found of samples at scales to files."""
    assert contender.decode is not None
    pending = deque[tuple[str, float, Path, tuple[int, ...], Mapping[str, Any]]]()

    def images() -> Iterator[xr.DataArray]:
        for sample, scale, file in asked:
            image = seen_at(sample.image, scale)
            pending.append((sample.id, scale, file, image.shape[:2], contender.of_image(image)))
            yield image

    def keep(scale: float, file: Path, network_s: float, done: Decoded) -> None:
        found = view(done.found, done.objects, scale=scale, known_px=known_px)
        atomic.write_text(file, json.dumps({"view": asdict(found), "seconds": network_s + done.seconds}))

    with Decoders(contender.decode, time_limit_s=time_limit_s) as decoders:
        for maps, seconds in maps_of(predictor, images()):
            id, scale, file, shape, told = pending.popleft()
            decoders.decode(id, maps, shape, {**contender.params, **told}, keep=partial(keep, scale, file, seconds))


def scaled(sample: Sample, scale: Scale | None) -> Sample:
    """A sample of labels, enlarged."""
    if scale is None:
        return sample
    numbered = relabel_sequential(sample.target)[0].astype(np.int32)
    target, _ = scaled_labels(numbered, {}, scaled_shape(numbered.shape, scale.factor))
    return replace(sample, image=scaled_image(sample.image, scale.factor), target=target, classes=None)


def answer_at(
    contender: Contender, predictor: Predictor, sample: Sample, factor: float, params: Mapping[str, Any]
) -> NDArray[Any]:
    """Labels (y, x) of a sample's image, found in it enlarged `factor` times, or the image restored."""
    return objects_at(contender, predictor, sample, factor, params)[0]


def objects_at(
    contender: Contender, predictor: Predictor, sample: Sample, factor: float, params: Mapping[str, Any]
) -> tuple[NDArray[Any], Mapping[str, NDArray[np.generic]]]:
    """The same with what the decoder tells of each object."""
    assert contender.decode is not None
    image, shape = scaled_image(sample.image, factor), sample.target.shape
    told = {**params, **contender.of_image(image)}
    return scaled_labels(*contender.decode(predictor.maps(image), scaled_shape(shape, factor), **told), shape)
