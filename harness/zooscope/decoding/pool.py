"""Decoders at work on several images at once, in bounded number, while the network goes on."""

import atexit
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zooscope.decode.named import NamedDecode
from zooscope.decoding.process import DecoderProcess
from zooscope.decoding.scores import objective
from zooscope.sample import Task

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Decoded:
    """Labels int32 (y, x) of an image and their objects (a column a name), or the restored image; and the seconds."""

    found: NDArray[Any]
    objects: Mapping[str, Array]
    seconds: float


class Decoders:
    """Decodes images in several processes; a context manager that ends when all are done, or at the first error.

    `decode` and `score` return at once while fewer than `processes + 1` images are under way, else when the first of
    those is done, so memory is bounded. What is to be done with an answer is done in a thread of this process, `keep`
    of several images at the same time; errors of an image are raised by the next call, or at the end, in the order of
    the images. A decoder without a name runs here and now.

    Parameters
    ----------
    decode : of a contender.
    processes : how many; by default one less than the cores, for the network takes the rest.
    time_limit_s : the longest that one image may take.

    Attributes
    ----------
    failed : id of the image whose error was raised.

    Raises
    ------
    PackageError : the decoder says why the maps do not fit it.
    WorkerError : it crashed or hung.
    """

    def __init__(
        self, decode: Callable[..., Any], *, processes: int | None = None, time_limit_s: float = 600.0
    ) -> None:
        self.failed: str | None = None
        self._decode, self._limit = decode, time_limit_s
        self._count = processes or max(1, cores() - 1)
        self._threads = ThreadPoolExecutor(self._count)
        self._pending: deque[tuple[str, Future[None]]] = deque()
        self._busy: set[DecoderProcess] = set()

    def decode(
        self,
        id: str,
        maps: NDArray[np.float32],
        shape: tuple[int, ...],
        params: Mapping[str, Any],
        *,
        keep: Callable[[Decoded], None],
    ) -> None:
        """Decode an image's maps; `keep` takes the answer."""
        if isinstance(self._decode, NamedDecode):
            name = self._decode.name
            self._submit(id, lambda: keep(Decoded(*self._with(lambda one: one.decode(name, maps, shape, params)))))
            return
        begin = time.perf_counter()
        found, objects = self._here(id, lambda: self._decode(maps, shape, **params))
        keep(Decoded(found, objects, time.perf_counter() - begin))

    def score(
        self,
        id: str,
        maps: NDArray[np.float32],
        truth: NDArray[Any],
        combinations: Sequence[Mapping[str, Any]],
        *,
        task: Task = Task.INSTANCE_SEGMENTATION,
        keep: Callable[[list[float]], None],
    ) -> None:
        """Tuning's objective of an image for each combination of parameters; `keep` takes them."""
        if isinstance(self._decode, NamedDecode):
            asked = {
                "name": self._decode.name,
                "maps": maps,
                "truth": truth,
                "combinations": combinations,
                "task": task,
            }
            self._submit(id, lambda: keep(self._with(lambda one: one.score(**asked))))
            return
        score = partial(objective, self._decode, maps, truth, task=task)
        keep(self._here(id, lambda: [score(params) for params in combinations]))

    def finish(self) -> None:
        """Wait for all."""
        while self._pending:
            self._settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            # at an error, or Ctrl-C, nobody waits for what is still under way
            self._threads.shutdown(wait=False, cancel_futures=True)
            for process in list(self._busy):
                process.kill()
            self._threads.shutdown(wait=True)

    def _here(self, id: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception:
            self.failed = id
            raise

    def _submit(self, id: str, job: Callable[[], None]) -> None:
        self._pending.append((id, self._threads.submit(job)))
        while len(self._pending) > self._count:
            self._settle()

    def _settle(self) -> None:
        id, future = self._pending.popleft()
        self._here(id, future.result)

    def _with(self, ask: Callable[[DecoderProcess], Any]) -> Any:
        """Ask an idle process, or a new one; it is kept for later if it lives."""
        process = _idle_process() or DecoderProcess(threads=max(1, cores() // self._count))
        self._busy.add(process)
        try:
            return process.within(self._limit, ask)
        finally:
            self._busy.discard(process)
            if process.alive and len(_IDLE) < cores():
                _IDLE.append(process)
            else:
                process.close()


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_IDLE: list[DecoderProcess] = []
"""Processes that wait for the next row: starting one costs a second of imports."""


def _idle_process() -> DecoderProcess | None:
    while True:
        try:
            process = _IDLE.pop()
        except IndexError:
            return None
        if process.alive:
            return process
        process.close()


@atexit.register
def _close_idle() -> None:
    while _IDLE:
        with suppress(OSError):
            _IDLE.pop().close()
