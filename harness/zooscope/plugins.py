"""Entry points: how the harness reaches methods, shipped models, decoders and verbs that it must not import."""

import ast
import importlib.util
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
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


def summary(group: Group, name: str) -> str:
    """First line of what a Typer application says of its command, read from its source without importing it.

    "" where there is no such module, or nothing of the kind in it.
    """
    point = _found(group)[name]
    try:
        spec = importlib.util.find_spec(point.module)
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8")) if spec and spec.origin else ast.Module([], [])
    except (ImportError, OSError, SyntaxError, ValueError):
        return ""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any(_makes_command(item, point.attr) for item in node.decorator_list):
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def _makes_command(decorator: ast.expr, app: str) -> bool:
    """Whether a decorator is `@app.command(...)`, or `@app.callback(...)` of a group of commands."""
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(call, ast.Attribute) and call.attr in ("command", "callback") and ast.unparse(call.value) == app


@cache
def _found(group: Group) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"zooscope.{group}"):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise UsageError(f"{group}: '{point.name}' is offered twice, by {other.value} and {point.value}")
    return found
