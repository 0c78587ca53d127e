"""A model in a process of its own: what crashes, hangs or eats memory there costs that model its row, nothing else."""

import contextlib
import itertools
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from multiprocessing import AuthenticationError
from multiprocessing.connection import Listener
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope.errors import PackageError, WorkerError, ZooscopeError
from zooscope.predict.guard import Guard
from zooscope.predict.memory import GIB, default_limit_gib
from zooscope.predict.precision import FLOAT32
from zooscope.predict.tail import Tail
from zooscope.predict.wire import MAX_BYTES, receive, send, send_ahead

WORKER = ("-P", "-m", "zooscope.predict.worker")
"""Arguments of the interpreter. -P: what lies in the current folder is data, never to be imported."""

REASON_LENGTH = 600
"""Characters of what a worker gives as its reason."""

_Failure = TypeVar("_Failure", bound=ZooscopeError)


SETTINGS = {
    "GOMP_SPINCOUNT": "3000",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}
"""A worker's environment, unless it is set already. Threads that wait by spinning slow a network where another process
needs their core; ones that sleep at once are woken at each layer. On two idle cores StarDist's TorchScript took 34 ms
an image sleeping, 29 with this count, 27 with three times as many; beside a busy process 53, 69 and 106. glibc gives
large arrays back to the system at once and gets them anew, page by page, for the next layer: StarDist took 62 ms an
image with that and 39 without."""


class ModelProcess:
    """Opens a package in a worker process; a context manager.

    Parameters
    ----------
    time_limit_s : the longest that starting and opening, and each image, may take.
    memory_limit_gib : the most memory that the process, with all that it starts, may hold; by default a share of the
        machine's.
    padding : "bare" or "halo" (`zooscope.padding`).
    precision : "float32", "bf16" or "fp16".
    trust : let the package's own Python run there.

    Raises
    ------
    PackageError : the worker says why the package cannot run.
    WorkerError : the worker crashed, hung, took too much memory, or sent something that is no answer.

    `log` of either error holds the end of what the worker printed.

    Attributes
    ----------
    tile_px : the largest tile once the device's memory ran out; None while it is the policy's.
    ahead : images that may lie there at a time.
    """

    def __init__(
        self,
        path: Path,
        *,
        weights: str,
        device: str,
        time_limit_s: float,
        memory_limit_gib: float | None = None,
        padding: str = "bare",
        precision: str = FLOAT32,
        trust: bool = False,
    ) -> None:
        self.tile_px: int | None = None
        self.ahead = send_ahead(device)
        self._limit = time_limit_s
        memory_gib = memory_limit_gib or default_limit_gib()
        self._max_bytes = min(MAX_BYTES, int(memory_gib * GIB))
        self._connection: Any = None
        self._begun: deque[tuple[int, ...]] = deque()
        key = secrets.token_bytes(32)
        self._listener = Listener(("localhost", 0), authkey=key)
        command = [sys.executable, *WORKER, str(self._listener.address[1]), str(os.getpid())]
        env = {**SETTINGS, **os.environ}
        env |= {"ZOOSCOPE_WORKER_KEY": key.hex(), "PYTHONFAULTHANDLER": "1"}
        # a session of its own: its whole group can be ended, and it has no terminal to write to
        self._process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._tail = Tail(self._process.stdout)
        self._guard = Guard(
            self._process, memory_limit_gib=memory_gib, remedy="; --memory-limit allows more", on_stop=self._hang_up
        )
        try:
            with self._guard.at("starting", time_limit_s):
                self._connection = self._accept()
            order = {"weights": weights, "device": device, "padding": padding, "trust": trust}
            order |= {"precision": precision, "path": str(path.resolve())}
            if not self._ask(order, None, "opening the package")[0].get("ready"):
                raise self._no_answer("opening the package", "not ready")
        except BaseException:
            self.close()
            raise

    def maps(self, image: xr.DataArray) -> NDArray[np.float32]:
        """Dense maps (c, y, x) of an image, as `Model.maps` gives them."""
        self.begin(image)
        return self.end()[0]

    def maps_of(self, images: Iterable[xr.DataArray]) -> Iterator[tuple[NDArray[np.float32], float]]:
        """(maps, seconds) of each image in order; the next image is sent before the last one's maps are there."""
        return maps_in_order([self], images)

    def begin(self, image: xr.DataArray) -> None:
        """Send an image; at most `ahead` may lie there without having been asked for by `end`."""
        about = {"axes": "".join(str(dim) for dim in image.dims)}
        self._begun.append(tuple(image.sizes[axis] for axis in "zyx" if axis in image.sizes))
        with self._line("an image"):
            send(self._connection, about, image.values)

    def end(self) -> tuple[NDArray[np.float32], float]:
        """Maps of the first image that was begun, and the seconds that the worker took for them."""
        shape = self._begun.popleft()
        answer, array = self._hear("an image")
        wrong = _why_no_map(array, shape)
        if array is None or wrong:
            raise self._no_answer("an image", wrong)
        if isinstance(tile_px := answer.get("tile_px"), int):
            self.tile_px = tile_px
        seconds = answer.get("seconds")
        return array.astype(np.float32, copy=False), float(seconds) if isinstance(seconds, int | float) else math.nan

    def close(self) -> None:
        """End the process and all that it started, kindly first."""
        if self._connection is not None:
            self._connection.close()
        self._listener.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        self._guard.close()
        self._process.wait()
        self._tail.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> Any:
        """Wait for the worker to call, but not for one that died before it could."""
        calls: list[Any] = []

        def listen() -> None:
            while not calls:
                with contextlib.suppress(AuthenticationError, EOFError):  # another program's call
                    try:
                        calls.append(self._listener.accept())
                    except OSError:
                        return

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        while listener.is_alive():
            listener.join(timeout=0.1)
            if not calls and self._process.poll() is not None:
                raise self._death("starting")
        if not calls:
            raise WorkerError("could not be reached over the loopback network")
        return calls[0]

    def _ask(
        self, message: dict[str, Any], array: NDArray[np.generic] | None, what: str
    ) -> tuple[dict[str, Any], NDArray[Any] | None]:
        """The worker's answer, a message and its array."""
        with self._line(what):
            send(self._connection, message, array)
        return self._hear(what)

    def _hear(self, what: str) -> tuple[dict[str, Any], NDArray[Any] | None]:
        """The worker's next answer."""
        with self._line(what):
            answer, out = receive(self._connection, max_bytes=self._max_bytes)
        if "reason" in answer:
            reason = _plain(str(answer["reason"]))
            error = WorkerError(reason) if answer.get("crashed") else PackageError(reason)
            raise self._with_log(error, timeout_s=0.1)
        return answer, out

    @contextmanager
    def _line(self, what: str) -> Generator[None]:
        """The line to the worker, used within the time limit; what goes wrong there is told as what became of it."""
        try:
            with self._guard.at(what, self._limit):
                yield
        except (EOFError, ConnectionError):
            raise self._death(what) from None
        except (ValueError, OSError) as error:
            raise (self._death(what) if self._ended() else self._no_answer(what, str(error))) from error

    def _hang_up(self) -> None:
        """Wake whoever waits for the worker, also where a stray process holds the other end open."""
        if self._connection is not None:
            with (
                contextlib.suppress(OSError),
                socket.fromfd(self._connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as line,
            ):
                line.shutdown(socket.SHUT_RDWR)

    def _ended(self) -> bool:
        return self._guard.stopped is not None or self._process.poll() is not None

    def _no_answer(self, what: str, why: str) -> WorkerError:
        self._guard.kill()
        return self._with_log(WorkerError(f"sent something that is no answer at {what} ({_plain(why)})"))

    def _death(self, what: str) -> WorkerError:
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            return self._with_log(WorkerError(f"stopped answering at {what}"))
        self._guard.kill()  # what it started outlives it
        if self._guard.stopped:
            return self._with_log(WorkerError(self._guard.stopped))
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        # the system's own answer to memory running out
        perhaps = ", as when a machine's memory runs out" if code == -getattr(signal, "SIGKILL", 9) else ""
        return self._with_log(WorkerError(f"its process died at {what} ({how}){perhaps}"))

    def _with_log(self, error: _Failure, *, timeout_s: float = 1.0) -> _Failure:
        """The error with the end of what the worker printed; waits for the end of that, but not longer than told."""
        error.log = self._tail.text(timeout_s=timeout_s)
        return error


class ModelProcesses:
    """A package opened in several workers, which take turns with the images; a context manager."""

    def __init__(self, path: Path, *, devices: Sequence[str], **options: Any) -> None:
        with contextlib.ExitStack() as stack:
            self._all = [stack.enter_context(ModelProcess(path, device=device, **options)) for device in devices]
            self._stack = stack.pop_all()

    @property
    def tile_px(self) -> int | None:
        """The smallest tile that any of them went down to; None while it is the policy's."""
        return min((one.tile_px for one in self._all if one.tile_px), default=None)

    def maps(self, image: xr.DataArray) -> NDArray[np.float32]:
        """Dense maps (c, y, x) of an image."""
        return self._all[0].maps(image)

    def maps_of(self, images: Iterable[xr.DataArray]) -> Iterator[tuple[NDArray[np.float32], float]]:
        """(maps, seconds) of each image in order."""
        return maps_in_order(self._all, images)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def open_model(path: Path, *, device: str, **options: Any) -> ModelProcess | ModelProcesses:
    """A package opened in a worker, or in one for each of several devices ("cuda:0,cuda:1")."""
    devices = device.split(",")
    if len(devices) == 1:
        return ModelProcess(path, device=device, **options)
    return ModelProcesses(path, devices=devices, **options)


def maps_in_order(
    processes: Sequence[ModelProcess], images: Iterable[xr.DataArray]
) -> Iterator[tuple[NDArray[np.float32], float]]:
    """(maps, seconds) of each image in order, from workers that take turns; each has `ahead` images at a time.

    Whoever stops asking, or meets an error, ends the workers: answers that nobody took are still under way.
    """
    begun: deque[ModelProcess] = deque()
    try:
        for process, image in zip(itertools.cycle(processes), images, strict=False):
            process.begin(image)
            begun.append(process)
            if len(begun) == sum(process.ahead for process in processes):
                yield begun.popleft().end()
        while begun:
            yield begun.popleft().end()
    except BaseException:
        for process in processes:
            process.close()
        raise


def _why_no_map(array: NDArray[Any] | None, image: tuple[int, ...]) -> str:
    """What is wrong with an answer to an image (y, x) or a volume (z, y, x); nothing if it may be maps.

    Checked on this side of the wire.
    """
    if array is None:
        return "no array"
    if array.ndim != 1 + len(image) or array.dtype.kind != "f" or array.dtype.itemsize != 4:
        return f"an array {array.shape} of {array.dtype}; maps (c, y, x) of float32 are expected"
    fits = array.size and all(_is_scaled(out, size) for out, size in zip(array.shape[1:], image, strict=True))
    if not fits:
        return f"maps {array.shape} for an image {image}"
    return "" if np.isfinite(array).all() else "NaN or infinity in its maps"


def _is_scaled(out: int, size: int) -> bool:
    """Whether `out` is `size` times a whole number, or divided by one and rounded up."""
    if out >= size:
        return Fraction(out, size).denominator == 1
    return any(-(-size // grid) == out for grid in range(2, size + 1))


def _plain(text: str) -> str:
    """One line of what can be shown, not endless."""
    line = " ".join(text.split())[:REASON_LENGTH]
    return "".join(letter for letter in line if letter.isprintable())
