"""Entry points: how the harness reaches methods, shipped models, decoders and verbs that it must not import."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from zooscope.errors import UsageError

Group = Literal["methods", "models", "decoders", "commands"]


def names(group: Group) -> list[str]:
    """Names that installed distributions offer in a group, sorted."""
    return sorted(_found(group))


def load(group: Group, name: str) -> Any:
    """The object behind a name; it is imported now. UsageError for a name that nobody offers."""
    found = _found(group)
    if name not in found:
        known = ", ".join(sorted(found)) or "none is installed"
        raise UsageError(f"{group}: '{name}' is not one of {known}")
    return found[name].load()


@cache
def _found(group: Group) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"zooscope.{group}"):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise UsageError(f"{group}: '{point.name}' is offered twice, by {other.value} and {point.value}")
    return found
