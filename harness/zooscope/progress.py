"""One progress bar for everything that takes over two seconds, on stderr."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def track(items: Iterable[Item], label: str, total: int | None, *, show: bool) -> Iterator[Item]:
    """Iterate with a bar, if it is to be shown; in a log or a pipe only the finished bar is written."""
    if not show:
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as bar

    yield from bar(items, description=label, total=total, console=Console(stderr=True))
