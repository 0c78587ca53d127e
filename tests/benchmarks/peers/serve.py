"""One side of a comparison: a process that is asked, in lines of JSON, to do a thing and answers how long it took.

Needs the standard library alone, because each side runs in an environment of its own.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any


def serve(verbs: dict[str, Callable[..., Any]]) -> None:
    """Answer each line `{"verb": ..., <arguments>}` of stdin with a line on stdout, until stdin ends.

    What libraries print goes to stderr.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(verbs[request.pop("verb")](**request)), file=answers, flush=True)


def best_seconds(do: Callable[[], Any], round_s: float) -> float:
    """Seconds of the best of as many calls as `round_s` holds, at least one."""
    taken: list[float] = []
    while sum(taken) < round_s:
        begin = time.perf_counter()
        do()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def mean_seconds(do: Callable[[Any], Any], items: Iterable[Any]) -> tuple[float, list[Any]]:
    """Seconds an item, and what came of each; the first item is done twice and counted once."""
    items = list(items)
    do(items[0])
    begin = time.perf_counter()
    found = [do(item) for item in items]
    return (time.perf_counter() - begin) / len(items), found
