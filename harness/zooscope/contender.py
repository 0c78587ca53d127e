"""Contenders: whatever can stand in a row of a leaderboard, a package or a baseline, behind one face."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope import plugins
from zooscope.baselines import BASELINES, find_baseline
from zooscope.channels import RULES, planes_of, to_channels
from zooscope.data.card import Card
from zooscope.errors import PackageError, UsageError
from zooscope.levels import Told, tell_nothing, teller
from zooscope.predict.precision import FLOAT32, refuse_precision
from zooscope.runkey import digest_of
from zooscope.sample import Task
from zooscope.sizing import Sizing, sizing_for

if TYPE_CHECKING:
    from zooscope.package import Package

MOST_OF_A_CARD = 20_000
"""Characters of a model card that stand in every row of its model."""

Decode = Callable[..., tuple[NDArray[Any], Mapping[str, NDArray[np.generic]]]]


class Predictor(Protocol):
    """What answers an image with dense maps (c, y, x)."""

    def maps(self, image: xr.DataArray) -> NDArray[np.float32]:
        """Maps of one image."""
        ...


def maps_of(predictor: Predictor, images: Iterable[xr.DataArray]) -> Iterator[tuple[NDArray[np.float32], float]]:
    """(maps, seconds) of each image in order; a predictor that can work ahead of its images does."""
    many = getattr(predictor, "maps_of", None)
    if many is not None:
        yield from many(images)
        return
    for image in images:
        begin = time.perf_counter()
        maps = predictor.maps(image)
        yield maps, time.perf_counter() - begin


@dataclass(frozen=True)
class Contender:
    """One row's model.

    Attributes
    ----------
    name, digest : of the model; `digest` covers what it computes with.
    about : what the leaderboard says of it: kind, title, licence, size_bytes, training_data ...
    protocol : what else decides the answer and therefore stands in the run's key.
    params : the decoder's parameters; those in `search` are replaced by tuning where there is a validation split.
        A package that names its decoder is run as its author set it: nothing is searched.
    of_image : what the decoder must be told of each image, as it is predicted, beside `params`.
    sizing : how images are brought to the size of objects that the network knows, or None.
    reason : why it cannot run; then there is nothing else.
    """

    name: str
    digest: str
    about: Mapping[str, Any]
    protocol: Mapping[str, Any] = field(default_factory=dict[str, Any])
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    search: Mapping[str, tuple[Any, ...]] = field(default_factory=dict[str, tuple[Any, ...]])
    open: Callable[[], AbstractContextManager[Predictor]] | None = None
    decode: Decode | None = None
    of_image: Told = tell_nothing
    sizing: Sizing | None = None
    reason: str | None = None


def contender(
    model: str,
    *,
    weights: str | None = None,
    decoder: str | None = None,
    device: str = "cpu",
    time_limit_s: float = 600,
    memory_limit_gib: float | None = None,
    precision: str = FLOAT32,
    diameter: str | float = "auto",
    trust: bool = False,
    task: Task = Task.INSTANCE_SEGMENTATION,
    space: str = "yx",
) -> Contender:
    """A model as a user names it: a package's path, a shipped model's id, or `baseline:<name>@<version>`.

    A package that cannot be ranked comes back with its reason; a name that does not exist is a UsageError. Which
    padding a package wants is measured here, once, in a process of its own; its own Python runs only with `trust`, and
    only there. `space` are the axes of what it is given: "yx", or "zyx" of volumes.
    """
    if model.startswith("baseline:"):
        return _baseline(model, task)
    from zooscope.package import open_package
    from zooscope.sources import find_package, source_name

    try:
        path = find_package(model)
    except PackageError as error:
        return Contender(source_name(model), digest_of(model), {"kind": "package"}, reason=str(error))
    shipped = model if model in plugins.names("models") else None
    limits = {"time_limit_s": time_limit_s, "memory_limit_gib": memory_limit_gib}
    options = {"weights": weights, "decoder": decoder, "device": device, "precision": precision, "limits": limits}
    options |= {"diameter": diameter}
    package = None
    try:
        package = open_package(path)
        return _package(package, path, shipped, **options, trust=trust, task=task, space=space)
    except PackageError as error:
        from zooscope.package_files import file_digest

        if package is not None:  # the same model as in a row that it has with other options
            return Contender(shipped or package.name, package.digest, {"kind": "package"}, reason=str(error))
        name = shipped or (path.stem if path.is_file() else path.resolve().name)
        return Contender(name, file_digest(path), {"kind": "package"}, reason=str(error))


def trained_on(about: Mapping[str, Any], card: Card, *, split: str, digest: str | None = None) -> str | None:
    """Why a model's training set may hold the images of a split, or None.

    A declaration of splits is believed where it names this very data set, or the one whose samples and splits these
    are; a declaration without splits, of a content with another digest than the data set has here, or of a related data
    set, whose splits cut elsewhere, may mean any image. Tags count where neither is declared.
    """
    own = {card.id, card.part_of} - {None}
    related = {card.bioimageio_id, *card.known_as} - {None, *own}
    named = [(str(item.get("dataset", "")).lower(), item) for item in about.get("training_data", ())]
    declared = [(name, item) for name, item in named if name in own | related]
    for name, item in declared:
        splits, theirs = item.get("splits"), item.get("digest")
        if name in own and (splits is None or split in splits):
            return f"its training data is declared as '{name}'" + (f", split {split}" if splits else "")
        if name == card.id and digest and theirs and theirs != digest:
            other = f"content {str(theirs)[:12]}, here {digest[:12]}"
            return f"its training data is declared as '{name}' with other images or splits ({other})"
        if name in related:
            return f"its training data is declared as '{name}', which shares images with this data set"
    tags = [] if declared else [tag for tag in about.get("tags", ()) if str(tag).lower() in own | related]
    return f"its tag '{tags[0]}' names this data set" if tags else None


def _baseline(id: str, task: Task) -> Contender:
    baseline = find_baseline(id)
    if baseline.task is not task:
        own = ", ".join(item.id for item in BASELINES if item.task is task)
        raise UsageError(f"model '{id}' is one of {baseline.task}, the data set one of {task}; for that there is {own}")

    from zooscope.decode import parameters
    from zooscope.decode.named import NamedDecode

    return Contender(
        name=id.replace("baseline:", "baseline-").partition("@")[0],
        digest=digest_of(id),
        about={"kind": "baseline", "id": id, "title": baseline.about, "licence": "BSD-3-Clause", "size_bytes": 0},
        protocol={"channels": RULES, "decoder": id},
        params=parameters(baseline.function),
        search=baseline.search,
        open=lambda: nullcontext(_Image(task)),
        decode=NamedDecode(id),
    )


@dataclass(frozen=True)
class _Image:
    """A baseline's "maps" are the image itself; what it does with it is its decoder."""

    task: Task

    def maps(self, image: xr.DataArray) -> NDArray[np.float32]:
        """The image as one channel to find objects in, or all its channels to restore."""
        planes = to_channels(image, 1) if self.task is Task.INSTANCE_SEGMENTATION else planes_of(image)
        return planes.astype(np.float32)


def _package(
    package: "Package",
    path: Path,
    shipped: str | None,
    *,
    weights: str | None,
    decoder: str | None,
    device: str,
    limits: Mapping[str, Any],
    precision: str,
    diameter: str | float,
    trust: bool,
    task: Task,
    space: str,
) -> Contender:
    from zooscope.decode import decode_test, decoder_for, find_decoder, parameters
    from zooscope.decode.named import NamedDecode
    from zooscope.package_weights import RUNS_HERE
    from zooscope.padding import HALO, Padding, find_padding, share_of
    from zooscope.predict.device import device_class
    from zooscope.predict.process import open_model
    from zooscope.predict.tiling import POLICY

    package.input.refuse(space)
    chosen = package.choose_weights(weights, trust=trust)
    refuse_precision(precision, chosen)
    choice = decoder_for(package, decoder, task=task)
    found = find_decoder(choice.id, choice.version)
    sizing = sizing_for(package.object_diameter_px, diameter)
    opened = partial(open_model, path, weights=chosen, device=device, trust=trust, **limits)
    # what is shipped was exported here, with test tensors of the bare network
    padding = Padding()
    if not shipped:
        tests = decode_test(package)
        part = {**limits, "time_limit_s": share_of(limits["time_limit_s"])}
        padding = find_padding(package, chosen, lambda name: opened(**{**part, "padding": name}), tests, limits=part)
    return Contender(
        name=shipped or package.name,
        digest=package.digest,
        about={
            "kind": "package",
            "title": package.title,
            "licence": package.licence,
            "format_version": package.format_version,
            "tags": list(package.tags),
            "training_data": [dict(item) for item in package.training_data],
            "size_bytes": package.weights[chosen].size_bytes,
            **({"card": package.card[:MOST_OF_A_CARD]} if package.card else {}),
            **({"padding": padding.why} if padding.why else {}),
        },
        protocol={
            "weights": chosen,
            "precision": precision,
            "device": device_class(device),
            "tiles": POLICY,
            "channels": RULES,
            "decoder": f"{choice.id}@{choice.version}",
            # what is not named here is as it always was: the bare network, images as they are, weights that the digest
            # covers
            **({"padding": f"{HALO}, {package.input.pad_mode}@1"} if padding.name == HALO else {}),
            **({"diameter": sizing.told} if sizing else {}),
            **({"weights_digest": package.weights[chosen].digest} if chosen not in RUNS_HERE else {}),
        },
        params={
            name: value for name, value in (parameters(found.decode) | dict(choice.params)).items() if value is not None
        },
        search={} if package.decoder and package.decoder.id == choice.id else found.SEARCH,
        open=lambda: opened(padding=padding.name, precision=precision),
        decode=NamedDecode(f"{choice.id}@{choice.version}"),
        of_image=teller(found, package, padding=padding.name),
        sizing=sizing,
    )


def baseline_ids(task: Task | None = None) -> list[str]:
    """Ids of all baselines, or of those of a task."""
    return [baseline.id for baseline in BASELINES if task in (None, baseline.task)]
