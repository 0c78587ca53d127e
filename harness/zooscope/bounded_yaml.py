"""YAML from strangers: read only if it is no larger, deeper or fuller of references than a description can be."""

from typing import Any

import yaml

MAX_BYTES = 2**20
MAX_DEPTH = 40
MAX_WEIGHT = 2**23
"""Of a document with its references written out: characters, and 16 for each node."""

_NODE = 16
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_bounded(content: bytes) -> Any:
    """The document, of YAML's plain types.

    Raises
    ------
    ValueError : not YAML, or larger, deeper or fuller of references than allowed; the text says which, in one line.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"is {len(content)} bytes long, at most {MAX_BYTES} are read")
    try:
        text = content.decode("utf-8")
        _weigh(text)
        return yaml.load(text, Loader=_PARSER)  # a SafeLoader: plain types alone
    except _TooMuchError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that is none, say
        raise ValueError(f"is not YAML ({' '.join(str(error).split())[:300]})") from error


class _TooMuchError(ValueError):
    pass


def _weigh(text: str) -> None:
    """Refuse a document by its events alone, before anything is built of it."""
    weights: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # anchor and weight of each collection not yet closed
    total = 0
    for event in yaml.parse(text, Loader=_PARSER):
        weight = 0
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in weights:
                raise _TooMuchError(f"has a reference '*{event.anchor}' to itself or to nothing")
            weight = weights[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            weight = _NODE + len(event.value)
            if event.anchor:
                weights[event.anchor] = weight
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, total))
            weight = _NODE
            if len(open_nodes) > MAX_DEPTH:
                raise _TooMuchError(f"is nested more than {MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                weights[anchor] = total - before
        total += weight
        if total > MAX_WEIGHT:
            raise _TooMuchError("is far larger than any description with its references written out")
