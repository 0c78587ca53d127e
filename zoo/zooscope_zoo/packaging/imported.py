"""Packages of networks that were trained elsewhere: nothing is tuned or measured, for no data came with them."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zooscope import atomic
from zooscope.decode import find_decoder
from zooscope.package import open_package
from zooscope_zoo.packaging.card import agreement, input_text, output_text
from zooscope_zoo.packaging.cover import cover_png
from zooscope_zoo.packaging.export import (
    Publisher,
    drafted,
    npy_bytes,
    refuse_invalid,
    refuse_unwritable,
    yaml_bytes,
    zipped,
)
from zooscope_zoo.packaging.formats import Formats, make_formats
from zooscope_zoo.packaging.method_card import method_card
from zooscope_zoo.packaging.parity import one_thread
from zooscope_zoo.packaging.rdf import allowed_name, known_size, maps_output, package_rdf
from zooscope_zoo.packaging.trained import Trained


@dataclass(frozen=True)
class Imported:
    """What a package says of a network that was trained elsewhere.

    Attributes
    ----------
    source : what it was made of, for a sentence. told : the same for `config.zooscope`.
    limits : Markdown. decoder, params : `id@version` and the parameters of the network's own makers.
    """

    name: str
    summary: str
    source: str
    told: Mapping[str, Any]
    limits: str
    decoder: str
    params: Mapping[str, float | int]


def import_package(trained: Trained, about: Imported, output: Path, *, publisher: Publisher) -> Path:
    """Write a package with all weights formats, proven alike, the decoder, a cover and a card.

    Raises
    ------
    UsageError : an output that cannot be written. ZooscopeError : the weights formats disagree, or the description is
        not valid.
    """
    refuse_unwritable(output)
    formats = make_formats(trained)
    with drafted(trained, formats) as draft:
        with one_thread():
            cover = cover_png(draft, formats.sample, trained.decoder, dict(about.params))
        ready, _ = open_package(draft).processing().begin(formats.raw[0])
    files = _files(trained, about, replace(formats, ready=ready[None]), cover, publisher=publisher)
    refuse_invalid(files)
    atomic.write_bytes(output, zipped(files))
    return output


def _files(
    trained: Trained, about: Imported, formats: Formats, cover: bytes, *, publisher: Publisher
) -> dict[str, bytes]:
    method = method_card(trained.method)
    files = {
        **formats.files,
        "test_input.npy": npy_bytes(formats.raw),
        "test_output.npy": npy_bytes(formats.output),
        "cover.png": cover,
        "decoder.py": inspect.getsource(find_decoder(trained.decoder)).encode(),  # type: ignore[arg-type]
        "README.md": _card(trained, about, formats, licence=publisher.licence).encode(),
    }
    rdf = package_rdf(
        trained, method, formats.architecture, files, [maps_output(trained, files)],
        licence=publisher.licence, authors=publisher.authors, tags=publisher.tags,
    )  # fmt: skip
    rdf |= {"name": allowed_name(about.name), "description": about.summary}
    id, _, version = about.decoder.partition("@")
    ours = {
        "method": trained.config.method,
        "network": trained.settings.model_dump(),
        "receptive_field_px": trained.method.describe(trained.settings).receptive_field_px,
        **known_size(trained),
        **about.told,
        "decoder": {"id": id, "version": int(version), "params": dict(about.params)},
    }
    return {**files, "rdf.yaml": yaml_bytes({**rdf, "config": {"zooscope": ours}})}


def _card(trained: Trained, about: Imported, formats: Formats, *, licence: str | None) -> str:
    method = method_card(trained.method)
    size = known_size(trained).get("object_diameter_px")
    field_px = trained.method.describe(trained.settings).receptive_field_px
    field = f"{field_px} px. Tiles want a halo of {trained.halo_px} px."
    if size:
        field += f" Objects shall have a median diameter of {size:g} px: bring images there first."
    sections = {
        "Intended use": f"{about.summary} Made of {about.source}.",
        "Input and output": f"{input_text(trained)}\n{output_text(trained, about.decoder, tta=False)}",
        "Training data": "Not told by what it was made of.",
        "Validation": "None: no images came with it. The decoder's parameters are those of its makers.",
        "Receptive field": field,
        "Agreement of the weights formats": agreement(formats.parity),
        "Limits": about.limits,
        "Citation": "\n".join(f"- {item.text}. https://doi.org/{item.doi}" for item in method.cite),
        "Licence": f"Weights: {licence or 'not stated'}. Ask those who trained them, and whose images they saw.",
    }
    text = "\n\n".join(f"## {heading}\n{body}" for heading, body in sections.items())
    return f"# {about.name}\n\n{about.summary}\n\n![An image, and what was found in it](cover.png)\n\n{text}\n"
