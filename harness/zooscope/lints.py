"""Lints: what a package should say of itself, and what other tools need of it. None of them runs anything."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One line of a check: how bad, about what, and what it is."""

    level: Level
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.level}: {self.about}: {self.text}"


NEWEST_FORMAT = (0, 5, 10)
"""What the zoo's own runtime (core 0.10.4) and ilastik still read; from 0.5.11 on cover and documentation are objects.
"""

DEEPIMAGEJ_OPERATIONS = {
    *("binarize", "clip", "ensure_dtype", "fixed_zero_mean_unit_variance"),
    *("scale_linear", "scale_range", "sigmoid", "zero_mean_unit_variance"),
}
DEEPIMAGEJ_OPSET = 18
DEEPIMAGEJ_TORCH = (2, 0)

TOLERANCE = 1e-3
"""The format's default, relative and absolute."""

_SECTIONS = {
    "intended use": "intended use|what it is for|usage",
    "training data": "training",
    "validation": "validation",
}
_FEW_TAGS = 3


def lints(rdf: Mapping[str, Any], description: Any, card: str | None) -> Iterator[Finding]:
    """All lints of a valid description.

    Parameters
    ----------
    rdf : as it was written.
    description : the same as bioimageio.spec's newest model description.
    card : text of its documentation, None where that is not in the package.
    """
    yield from _about(rdf, description)
    yield from _card(card)
    yield from _tolerances(description)
    yield _format(rdf)
    yield _ilastik(rdf, description)
    yield _deepimagej(description)
    yield _qupath(description)


def _about(rdf: Mapping[str, Any], description: Any) -> Iterator[Finding]:
    yield _licence(rdf, description.license)
    covers = len(description.covers)
    yield (
        Finding("ok", "cover", f"{covers} picture(s)") if covers else Finding("warning", "cover", "there is no picture")
    )
    tags = list(description.tags)
    few = len(tags) < _FEW_TAGS
    text = f"{', '.join(tags) or 'none'}" + ("; name what it shows, the modality and the task" if few else "")
    yield Finding("warning" if few else "ok", "tags", text)


def _licence(rdf: Mapping[str, Any], licence: object) -> Finding:
    """That of the package, beside those of the data that it says it was trained on."""
    if not licence:
        return Finding("warning", "licence", "none is stated")
    ours = _mapping(_mapping(rdf.get("config")).get("zooscope")).get("training_data")
    found = {str(_mapping(item).get("licence")) for item in (ours if isinstance(ours, list) else ())}
    bound = sorted(name for name in found if "-NC" in name)
    if bound and "-NC" not in str(licence):
        return Finding("warning", "licence", f"{licence}, but it was trained on data under {', '.join(bound)}")
    return Finding("ok", "licence", str(licence))


def _card(card: str | None) -> Iterator[Finding]:
    if card is None:
        yield Finding("warning", "card", "its documentation is not in the package")
        return
    headings = " \n ".join(re.findall(r"^#+ .*$", card, flags=re.MULTILINE)).lower()
    missing = [name for name, pattern in _SECTIONS.items() if not re.search(pattern, headings)]
    if missing:
        yield Finding("warning", "card", f"no heading tells of {', '.join(missing)}")
    else:
        yield Finding("ok", "card", f"tells of {', '.join(_SECTIONS)}")


def _tolerances(description: Any) -> Iterator[Finding]:
    about = description.config.bioimageio
    found = [(float(t.relative_tolerance), float(t.absolute_tolerance)) for t in about.reproducibility_tolerance]
    for kwargs in ((about.model_extra or {}).get("test_kwargs") or {}).values():
        found.append((float(kwargs.get("relative_tolerance", 0)), float(kwargs.get("absolute_tolerance", 0))))
    loose = [pair for pair in found if max(pair) > TOLERANCE]
    if loose:
        relative, absolute = max(loose)
        yield Finding(
            "warning", "tolerances", f"relative {relative:g}, absolute {absolute:g}: looser than {TOLERANCE:g}"
        )
    else:
        yield Finding("ok", "tolerances", f"at most {TOLERANCE:g}")


def _format(rdf: Mapping[str, Any]) -> Finding:
    written = str(rdf.get("format_version", ""))
    if _numbers(written) > NEWEST_FORMAT:
        return Finding(
            "warning", "format version", f"{written}: tools with an older bioimageio.spec refuse it; 0.5.10 is read"
        )
    return Finding("ok", "format version", written)


def _ilastik(rdf: Mapping[str, Any], description: Any) -> Finding:
    counts = len(description.inputs), len(description.outputs)
    if counts != (1, 1):
        return Finding(
            "warning", "ilastik", f"takes one input and one output tensor; this has {counts[0]} and {counts[1]}"
        )
    if _numbers(str(rdf.get("format_version", ""))) > NEWEST_FORMAT:
        return Finding("warning", "ilastik", "reads formats up to 0.5.10")
    found = [name for name in ("pytorch_state_dict", "torchscript", "onnx") if getattr(description.weights, name)]
    if not found:
        return Finding("warning", "ilastik", "runs state dicts, TorchScript and ONNX; this has none of them")
    return Finding("ok", "ilastik", f"one input, one output, {found[0]} weights")


def _deepimagej(description: Any) -> Finding:
    unknown = sorted(set(operations(description)) - DEEPIMAGEJ_OPERATIONS)
    if unknown:
        return Finding("warning", "deepImageJ", f"knows no {', '.join(unknown)}")
    weights = description.weights
    if weights.onnx and weights.onnx.opset_version <= DEEPIMAGEJ_OPSET:
        return Finding("ok", "deepImageJ", f"ONNX of opset {weights.onnx.opset_version}, processing that it knows")
    if weights.torchscript and _numbers(str(weights.torchscript.pytorch_version))[:2] <= DEEPIMAGEJ_TORCH:
        return Finding(
            "ok",
            "deepImageJ",
            f"TorchScript of PyTorch {weights.torchscript.pytorch_version}, processing that it knows",
        )
    if weights.tensorflow_saved_model_bundle:
        return Finding("ok", "deepImageJ", "TensorFlow bundle, processing that it knows")
    return Finding(
        "warning",
        "deepImageJ",
        f"takes ONNX up to opset {DEEPIMAGEJ_OPSET}, TorchScript up to PyTorch 2.0, TensorFlow bundles",
    )


def _qupath(description: Any) -> Finding:
    if not description.weights.torchscript:
        return Finding("warning", "QuPath", "runs TorchScript; this has none")
    if (len(description.inputs), len(description.outputs)) != (1, 1):
        return Finding("warning", "QuPath", "takes one input and one output tensor")
    for tensor in (description.inputs[0], description.outputs[0]):
        axes = [str(axis.id) for axis in tensor.axes]
        if not {"y", "x"} <= set(axes) or set(axes) - {"batch", "channel", "y", "x"}:
            return Finding("warning", "QuPath", f"takes and gives 2D images; '{tensor.id}' has axes {', '.join(axes)}")
    return Finding("ok", "QuPath", "2D in, 2D out, TorchScript weights")


def operations(description: Any) -> list[str]:
    """Ids of all pre- and postprocessing operations."""
    found = [op for tensor in description.inputs for op in tensor.preprocessing]
    found += [op for tensor in description.outputs for op in tensor.postprocessing]
    return [str(getattr(op, "id", "?")) for op in found]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
