"""A package's processing operations: which run its own Python, which make objects, and our decoder for those."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zooscope.errors import PackageError

MAKES_OBJECTS = ("stardist_postprocessing", "cellpose_flow_dynamics")
"""The spec's operations that turn maps into labels. They run as decoders, once on the stitched maps."""

_HARMLESS_AFTER = ("ensure_dtype",)


@dataclass(frozen=True)
class DecoderChoice:
    """A decoder with the parameters that are fixed; the others may be tuned."""

    id: str
    version: int
    params: Mapping[str, Any]


def custom_operations(pre: Sequence[Any], post: Sequence[Any]) -> tuple[str, ...]:
    """What the package's own Python does beside its network, one text an operation."""
    named = [("preprocessing", operation) for operation in pre] + [("postprocessing", operation) for operation in post]
    return tuple(
        f"{operation.callable} of {getattr(operation.source, 'path', operation.source)} in its {where}"
        for where, operation in named
        if str(operation.id) == "custom"
    )


def decoder_of_operation(pre: Sequence[Any], post: Sequence[Any]) -> DecoderChoice | None:
    """Our decoder, with its parameters, for the operation that makes objects; None where a package has none.

    Raises
    ------
    PackageError : one for volumes, or one that others follow.
    """
    names = [str(operation.id) for operation in post]
    makers = [name for name in names if name in MAKES_OBJECTS]
    if not makers:
        return None
    after = [name for name in names[names.index(makers[0]) + 1 :] if name not in _HARMLESS_AFTER]
    if after:
        raise PackageError(f"its postprocessing goes on after '{makers[0]}' with '{after[0]}', which takes no labels")
    operation = post[names.index(makers[0])]
    return _stardist(operation.kwargs) if makers[0] == "stardist_postprocessing" else _cellpose(operation.kwargs)


def read_decoder(raw: Any) -> DecoderChoice | None:
    """The decoder that `config.zooscope` names."""
    if raw is None:
        return None
    try:
        return DecoderChoice(str(raw["id"]), int(raw["version"]), dict(raw.get("params") or {}))
    except (KeyError, TypeError, ValueError) as error:
        raise PackageError(f"config.zooscope.decoder needs id, version and params, but is {raw!r}") from error


def _stardist(kwargs: Any) -> DecoderChoice:
    if len(kwargs.grid) != 2:
        raise PackageError("its postprocessing 'stardist_postprocessing' is that for volumes; 2D images are ranked")
    params: dict[str, Any] = {"prob_threshold": kwargs.prob_threshold, "nms_threshold": kwargs.nms_threshold}
    if kwargs.b != 2:  # StarDist's own default
        params["border_px"] = kwargs.b if isinstance(kwargs.b, int) else [list(side) for side in kwargs.b]
    return DecoderChoice("stardist", 1, params)


def _cellpose(kwargs: Any) -> DecoderChoice:
    if kwargs.do_3D:
        raise PackageError("its postprocessing 'cellpose_flow_dynamics' is that for volumes; 2D images are ranked")
    params = {
        "cellprob_threshold": kwargs.cellprob_threshold,
        "flow_threshold": kwargs.flow_threshold,
        "min_size_px": kwargs.min_size,
    }
    return DecoderChoice("cellpose-flows", 2, params)
