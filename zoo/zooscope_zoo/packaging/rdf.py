"""rdf.yaml: what a package says of itself, in format 0.5.10, which older consumers still read."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from zooscope.data.card import card_ids, find_card
from zooscope.sample import Task
from zooscope_zoo.packaging.architecture import Architecture
from zooscope_zoo.packaging.measured import Measured
from zooscope_zoo.packaging.method_card import Citation, MethodCard
from zooscope_zoo.packaging.operation import Operation
from zooscope_zoo.packaging.tracing import OPSET
from zooscope_zoo.packaging.trained import Trained
from zooscope_zoo.packaging.weights import ONNX, STATE_DICT, TORCHSCRIPT
from zooscope_zoo.training.normalisation import Normalisation

FORMAT_VERSION = "0.5.10"
_CITED = re.compile(r"doi:(10\.\d{4,9}/[^\s;,]+)|arXiv:(\d{4}\.\d{4,5})")
_ARXIV = "10.48550/arXiv."
_OPEN = ("CC0-1.0",)
"""Licences of data that leave the weights free."""

_OUTPUTS = {
    Task.INSTANCE_SEGMENTATION: "Dense maps of the network, activations inside.",
    Task.RESTORATION: "The restored image, in the units of the images trained on.",
}
_NORMALISED = "The restored image, normalised: its decoder brings it into the image's units."

DEFAULT_LICENCE = "BSD-3-Clause"


def package_rdf(
    trained: Trained,
    method: MethodCard,
    architecture: Architecture,
    files: Mapping[str, bytes],
    outputs: list[dict[str, Any]],
    *,
    licence: str | None,
    authors: Sequence[str] = (),
    tags: Sequence[str] = (),
) -> dict[str, Any]:
    """The description of a package of these files, but for `config`, which is `ours`; a draft has no card and cover."""
    names = trained.names
    about = {
        "type": "model",
        "format_version": FORMAT_VERSION,
        "name": package_name(trained, method),
        "description": f"{method.summary} Trained on {', '.join(names)}."[:1000],
        "authors": [{"name": author} for author in authors],
        "cite": [{"text": item.text, "doi": item.doi} for item in citations(trained, method)],
        "license": licence,
        "tags": sorted({*_of_space(method.tags, trained.space), *tags, *names}),
        "covers": ["cover.png"] if "cover.png" in files else [],
        "documentation": "README.md" if "README.md" in files else None,
        "attachments": [_file(name, files) for name in ("decoder.py", "curves.png") if name in files],
        "inputs": [_input(trained, files)],
        "outputs": outputs,
        "weights": _weights(architecture, files),
        "training_data": _linked(names),
    }
    return {key: value for key, value in about.items() if value not in (None, [])}


def _of_space(tags: Sequence[str], space: str) -> list[str]:
    """A card's tags are those of its 2D network."""
    return [tag.replace("2d", "3d") for tag in tags] if space == "zyx" else list(tags)


def package_name(trained: Trained, method: MethodCard) -> str:
    """Title and data sets, in the letters that the spec allows."""
    names = ", ".join(str(item["dataset"]) for item in trained.data)
    return allowed_name(f"{method.title} ({names})")


def allowed_name(text: str) -> str:
    """In the letters, and of the length, that the spec allows."""
    return re.sub(r"[^A-Za-z0-9_+\- ()]", " ", text)[:128]


def licence_of(trained: Trained) -> str | None:
    """BSD-3-Clause for weights from CC0 data; else the data's own, where they all have the same SPDX id."""
    found = {str(item["licence"]) for item in (*trained.data, *trained.earlier)} - set(_OPEN)
    if not found:
        return DEFAULT_LICENCE
    only = found.pop()
    return None if found or not _is_spdx(only) else only


def _is_spdx(licence: str) -> bool:
    from bioimageio.spec.model.v0_5 import LicenseId

    try:
        return bool(LicenseId(licence))
    except ValueError:
        return False


def maps_output(trained: Trained, files: Mapping[str, bytes]) -> dict[str, Any]:
    """The dense maps, channels first; halo and size of a network with a grid are counted in pixels of its maps."""
    grid = trained.method.grid(trained.settings)
    names = trained.method.map_names(trained.settings)
    halo = {"halo": trained.halo_px // grid}
    spatial = [
        {
            "type": "space",
            "id": axis,
            "scale": float(grid),
            "size": {"tensor_id": "raw", "axis_id": axis},
            **({} if axis == "z" else halo),
        }
        for axis in trained.space
    ]
    return {
        "id": "maps",
        "description": _NORMALISED if trained.normalisation and trained.percentiles else _OUTPUTS[trained.method.task],
        "axes": [{"type": "batch"}, {"type": "channel", "channel_names": list(names)}, *spatial],
        "data": {"type": "float32"},
        **_undoing(trained, len(names)),
        "test_tensor": _file("test_output.npy", files),
    }


def _undoing(trained: Trained, maps: int) -> dict[str, Any]:
    """What brings restored images back into their own units, where that is the same for all."""
    if not isinstance(trained.normalisation, Normalisation):
        return {}
    gain, offset = trained.normalisation.gain_and_offset(maps, intensities=trained.intensities)
    kwargs = {"gain": gain, "offset": offset, "axis": "channel"} if maps > 1 else {"gain": gain[0], "offset": offset[0]}
    return {"postprocessing": [{"id": "scale_linear", "kwargs": kwargs}]}


def labels_output(files: Mapping[str, bytes], operation: Operation, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Labels by an operation. No halo: padding the image would change what the network answers."""
    axes: dict[str, dict[str, Any]] = {
        axis: {"type": "space", "id": axis, "size": {"tensor_id": "raw", "axis_id": axis}} for axis in "yx"
    }
    axes |= {"batch": {"type": "batch"}, "channel": {"type": "channel", "channel_names": ["label"]}}
    return {
        "id": "labels",
        "description": "Label image: 0 is background, every other value one object.",
        "axes": [axes[axis] for axis in operation.axes],
        "data": {"type": operation.dtype},
        "postprocessing": [{"id": operation.id, "kwargs": dict(kwargs)}],
        "test_tensor": _file("test_output.npy", files),
    }


def ours(trained: Trained, measured: Measured, *, with_decoder: bool) -> dict[str, Any]:
    """`config.zooscope`: decoder, method, receptive field, size of objects, training data, validation."""
    keys = ("dataset", "version", "splits", "strata", "digest", "licence")
    told: dict[str, Any] = {
        "method": trained.config.method,
        "network": trained.settings.model_dump(),
        "receptive_field_px": trained.method.describe(trained.settings).receptive_field_px,
        "training_data": [{key: item[key] for key in keys} for item in (*trained.data, *trained.earlier)],
    }
    told |= known_size(trained)
    if trained.started_from:
        told["started_from"] = Path(trained.started_from).name
    told["validation"] = {"scores": measured.scores, "objective": measured.objective, "images": measured.images}
    if with_decoder:
        id, _, version = measured.decoder.partition("@")
        told["decoder"] = {"id": id, "version": int(version), "params": measured.params}
    return told


def known_size(trained: Trained) -> dict[str, float]:
    """The median diameter of objects to which images are brought, of a run that was trained so."""
    diameter_px = trained.config.augment.diameter_px
    return {} if diameter_px is None else {"object_diameter_px": diameter_px}


def _input(trained: Trained, files: Mapping[str, bytes]) -> dict[str, Any]:
    names = ["red", "green", "blue"] if trained.settings.channels == 3 else ["gray"]
    sizes = {axis: trained.sizes_of(axis) for axis in trained.space}
    float32 = {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}
    return {
        "id": "raw",
        "description": "The image, in any range." if trained.space == "yx" else "The volume, in any range.",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": names},
            *(
                {"type": "space", "id": axis, "size": {"min": size.minimum, "step": size.step}}
                for axis, size in sizes.items()
            ),
        ],
        "data": {"type": "float32"},
        "preprocessing": [float32, _scaling(trained), float32],
        "test_tensor": _file("test_input.npy", files),
    }


def _scaling(trained: Trained) -> dict[str, Any]:
    """By the training set's figures, or by each image's percentiles."""
    if not isinstance(trained.normalisation, Normalisation):
        assert trained.percentiles is not None
        low, high = trained.percentiles
        percentiles = {"axes": list(trained.space), "min_percentile": low, "max_percentile": high, "eps": 1e-6}
        return {"id": "scale_range", "kwargs": percentiles}
    mean, std = list(trained.normalisation.mean), list(trained.normalisation.std)
    kwargs = {"mean": mean, "std": std, "axis": "channel"} if len(mean) > 1 else {"mean": mean[0], "std": std[0]}
    return {"id": "fixed_zero_mean_unit_variance", "kwargs": kwargs}


def _weights(architecture: Architecture, files: Mapping[str, bytes]) -> dict[str, Any]:
    version = torch.__version__.partition("+")[0]
    code = {**_file("architecture.py", files), "callable": architecture.callable, "kwargs": architecture.kwargs}
    derived = {"parent": "pytorch_state_dict"}
    return {
        "pytorch_state_dict": {**_file(STATE_DICT, files), "architecture": code, "pytorch_version": version},
        "torchscript": {**_file(TORCHSCRIPT, files), **derived, "pytorch_version": version},
        "onnx": {**_file(ONNX, files), **derived, "opset_version": OPSET},
    }


def _file(name: str, files: Mapping[str, bytes]) -> dict[str, str]:
    return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}


def citations(trained: Trained, method: MethodCard) -> list[Citation]:
    """The method's publications, and those of all data that the weights have seen."""
    found = list(method.cite)
    for item in (*trained.data, *trained.earlier):
        citation = find_card(str(item["dataset"]))[0].citation if item["dataset"] in card_ids() else ""
        begin = 0
        for cited in _CITED.finditer(citation):
            text, doi = citation[begin : cited.start()].strip(" ,;:."), cited[1] or _ARXIV + cited[2]
            found.append(Citation(text=f"Training data: {text}", doi=doi.rstrip(".")))
            begin = cited.end()
    return list({item.doi: item for item in reversed(found)}.values())[::-1]


def _linked(names: Sequence[str]) -> dict[str, str] | None:
    """The data set's own entry on BioImage.IO; the format has room for one."""
    card = find_card(names[0])[0] if len(names) == 1 and names[0] in card_ids() else None
    return {"id": card.bioimageio_id} if card and card.bioimageio_id else None
