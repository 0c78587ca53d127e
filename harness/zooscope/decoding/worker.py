"""The process that decoders run in: takes maps, gives labels or scores, until its input ends.

Started by `zooscope.decoding.process`; run as `python -P -m zooscope.decoding.worker`.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from zooscope.decode.named import NamedDecode
from zooscope.decoding.line import Line
from zooscope.errors import ZooscopeError
from zooscope.predict import wire
from zooscope.sample import Task

Array = NDArray[np.generic]


def main() -> None:
    """Answer on what was standard output; whatever else prints goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asked, which then ends this one
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    np.seterr(all="ignore")
    line = Line(sys.stdin.buffer, answers)
    while True:
        try:
            message, maps = wire.receive(line)
            truth = wire.receive(line)[1] if "combinations" in message else None
        except EOFError:
            return
        try:
            answer, arrays = _answer(message, cast(Any, maps), cast(Any, truth))
        except Exception as error:
            answer, arrays = {"reason": _reason(error)}, []
        wire.send(line, answer, arrays[0] if arrays else None)
        for array in arrays[1:]:
            wire.send(line, {}, array)


def _answer(
    message: Mapping[str, Any], maps: NDArray[np.float32], truth: NDArray[Any] | None
) -> tuple[dict[str, Any], list[Array]]:
    decode = NamedDecode(message["decoder"])
    if truth is not None:
        from zooscope.decoding.scores import objective

        task = Task(message["task"])
        scores = [objective(decode, maps, truth, params, task=task) for params in message["combinations"]]
        return {"scores": scores}, []
    begin = time.perf_counter()
    found, objects = decode(maps, tuple(message["shape"]), **message["params"])
    seconds = time.perf_counter() - begin
    numbers = [name for name, values in objects.items() if values.dtype.kind in "uif"]
    texts = {name: values.tolist() for name, values in objects.items() if name not in numbers}
    answer = {"seconds": seconds, "order": list(objects), "columns": numbers, "texts": texts}
    return answer, [found, *(objects[name] for name in numbers)]


def _reason(error: Exception) -> str:
    if not isinstance(error, ZooscopeError):
        traceback.print_exception(error)
    text = " ".join(str(error).split())[:300]
    return str(error) if isinstance(error, ZooscopeError) else f"its decoder failed: {type(error).__name__}: {text}"


if __name__ == "__main__":
    main()
