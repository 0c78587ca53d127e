"""A model in a process of its own: what crashes or hangs there costs that model its row and nothing else."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing import AuthenticationError
from multiprocessing.connection import Listener
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope.errors import PackageError, WorkerError
from zooscope.predict.wire import receive, send

LOG_BYTES = 4000
"""How much of the end of a worker's output is kept when it dies."""


class ModelProcess:
    """Opens a package in a worker process; a context manager.

    Parameters
    ----------
    time_limit_s : the longest that opening, and each image, may take.
    padding : "bare" or "halo" (`zooscope.padding`).
    trust : let the package's own Python run there.

    Raises
    ------
    PackageError : the worker says why the package cannot run.
    WorkerError : the worker crashed, hung, or sent something that is no answer; `log` holds the end of its output.
    """

    def __init__(
        self,
        path: Path,
        *,
        weights: str,
        device: str,
        time_limit_s: float,
        padding: str = "bare",
        trust: bool = False,
    ) -> None:
        self._limit = time_limit_s
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        key = secrets.token_bytes(32)
        self._listener = Listener(("localhost", 0), authkey=key)
        # -P: what lies in the current folder is data, never to be imported
        command = [sys.executable, "-P", "-m", "zooscope.predict.worker", str(self._listener.address[1])]
        env = {**os.environ, "ZOOSCOPE_WORKER_KEY": key.hex(), "PYTHONFAULTHANDLER": "1"}
        self._process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )
        self._connection: Any = None
        try:
            self._connection = self._accept()
            order = {"weights": weights, "device": device, "padding": padding, "trust": trust}
            send(self._connection, {"path": str(path.resolve()), **order})
            self._answer("opening the package")
        except BaseException:
            self.close()
            raise

    def maps(self, image: xr.DataArray) -> NDArray[np.float32]:
        """Dense maps (c, y, x) of an image, as `Model.maps` gives them."""
        try:
            send(self._connection, {"axes": "".join(str(dim) for dim in image.dims)}, image.values)
        except OSError:
            raise self._death("an image") from None
        array = self._answer("an image")
        if array is None or array.ndim != 3 or array.dtype != np.float32:
            raise WorkerError("answered with something that is no map")
        return array

    def close(self) -> None:
        """End the process, kindly first."""
        if self._connection is not None:
            self._connection.close()
        self._listener.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

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
            with contextlib.suppress(OSError, EOFError, AuthenticationError):
                calls.append(self._listener.accept())

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        begin = time.monotonic()
        while listener.is_alive():
            listener.join(timeout=0.2)
            if listener.is_alive() and self._process.poll() is not None:
                raise self._death("starting")
            if listener.is_alive() and time.monotonic() - begin > self._limit:
                raise self._hang("starting")
        if not calls:
            raise WorkerError("could not be reached over the loopback network")
        return calls[0]

    def _answer(self, what: str) -> NDArray[Any] | None:
        if not self._connection.poll(self._limit):
            raise self._hang(what)
        try:
            message, array = receive(self._connection)
        except (EOFError, OSError):
            raise self._death(what) from None
        except (ValueError, KeyError, TypeError) as error:
            raise WorkerError(f"sent something that is no answer while at {what} ({error})") from error
        if "reason" in message:
            raise PackageError(str(message["reason"]))
        return array

    def _hang(self, what: str) -> WorkerError:
        self._process.kill()
        return self._with_log(f"took longer than {self._limit:g} s at {what} and was stopped")

    def _death(self, what: str) -> WorkerError:
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return self._with_log(f"stopped answering at {what}")
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return self._with_log(f"its process died at {what} ({how})")

    def _with_log(self, reason: str) -> WorkerError:
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - LOG_BYTES))
        error = WorkerError(reason)
        error.log = self._log.read().decode(errors="replace")
        return error
