"""One progress bar for everything that takes over two seconds, on stderr."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

Item = TypeVar("Item")


def track(items: Iterable[Item], label: str, total: int | None, *, show: bool) -> Iterator[Item]:
    """Iterate with a bar, if it is to be shown; in a log or a pipe only the finished bar is written."""
    if not show:
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as bar

    yield from bar(items, description=label, total=total, console=Console(stderr=True))


class Bar:
    """A bar with a word that changes, for loops that count for themselves; a context manager."""

    def __init__(self, label: str, total: int, *, done: int = 0, show: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        word = TextColumn("{task.fields[word]}")
        self._progress = Progress(*columns, word, console=Console(stderr=True), disable=not show)
        self._task = self._progress.add_task(label, total=total, completed=done, word="")

    def advance(self, word: str) -> None:
        """One more is done."""
        self._progress.update(self._task, advance=1, word=word)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
