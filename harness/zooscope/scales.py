"""Scales: that of every image of a row, found by the contender itself before it is run."""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
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
from zooscope.sizing import SCALES, View, scale_between, scale_of, seen_at, view


@dataclass(frozen=True)
class Scale:
    """By how much an image is enlarged, and the seconds that it took to find out."""

    factor: float = 1.0
    seconds: float = 0.0


def find_scales(
    contender: Contender, predictor: Predictor, samples: Iterable[Sample], *, data: Any, time_limit_s: float = 600
) -> Mapping[str, Scale]:
    """The scale of each image by its id; empty where images are predicted as they are.

    Parameters
    ----------
    data : names the images' content. What was found of an image is kept under it, so a killed search goes on.
    time_limit_s : the longest that decoding one image may take.
    """
    sizing = contender.sizing
    if sizing is None:
        return {}
    if sizing.given_px is not None:
        factor = scale_between(sizing.given_px, sizing.known_px)
        return {sample.id: Scale(factor) for sample in samples}
    assert contender.decode is not None
    key = digest_of(contender.digest, dict(contender.protocol), dict(contender.params), data, PREDICT_VERSION)
    folder, ids = cache_folder("scales", key), list[str]()
    asked = deque[tuple[str, float, tuple[int, ...], Mapping[str, Any]]]()

    def images() -> Iterator[xr.DataArray]:
        for sample in samples:
            ids.append(sample.id)
            for scale in SCALES:
                if not (folder / f"{sample.id}@{scale:g}.json").is_file():
                    image = seen_at(sample.image, scale)
                    asked.append((sample.id, scale, image.shape[:2], contender.of_image(image)))
                    yield image

    def keep(id: str, scale: float, network_s: float, done: Decoded) -> None:
        found = view(done.found, done.objects, scale=scale, known_px=sizing.known_px)
        told = {"view": asdict(found), "seconds": network_s + done.seconds}
        atomic.write_text(folder / f"{id}@{scale:g}.json", json.dumps(told))

    with Decoders(contender.decode, time_limit_s=time_limit_s) as decoders:
        for maps, seconds in maps_of(predictor, images()):
            id, scale, shape, told = asked.popleft()
            decoders.decode(id, maps, shape, {**contender.params, **told}, keep=partial(keep, id, scale, seconds))
    scales: dict[str, Scale] = {}
    for id in ids:
        told = [json.loads((folder / f"{id}@{scale:g}.json").read_text()) for scale in SCALES]
        factor = scale_of([View(**one["view"]) for one in told], sizing.known_px)
        scales[id] = Scale(factor, sum(one["seconds"] for one in told))
    return scales


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
