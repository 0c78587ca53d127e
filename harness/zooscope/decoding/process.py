"""One decoder process, asked over its standard input and output."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from zooscope.decoding.line import Line
from zooscope.errors import PackageError, WorkerError
from zooscope.predict import wire
from zooscope.sample import Task

WORKER = ["-P", "-m", "zooscope.decoding.worker"]
"""Arguments of the interpreter. -P: what lies in the current folder is data, never to be imported."""

LOG_BYTES = 4000
"""How much of the end of its output is kept when it dies."""

Answer = TypeVar("Answer")


class DecoderProcess:
    """Runs named decoders in a process of its own (`zooscope.decoding.worker`), one image at a time.

    Parameters
    ----------
    threads : that a decoder may use.
    """

    def __init__(self, *, threads: int) -> None:
        self._hung = self._killed = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        env = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONFAULTHANDLER": "1"}
        command = [sys.executable, *WORKER]
        self._process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._line = Line(self._process.stdout, self._process.stdin)

    @property
    def alive(self) -> bool:
        """Whether it can be asked again."""
        # a killed process may still look alive for a moment
        return self._process.poll() is None and not self._killed

    def within(self, limit_s: float, ask: Callable[["DecoderProcess"], Answer]) -> Answer:
        """What asking it gives; WorkerError where that takes longer, or it dies of it."""
        alarm = threading.Timer(limit_s, self._stop)
        alarm.daemon = True
        alarm.start()
        try:
            return ask(self)
        except (EOFError, BrokenPipeError):
            raise self._death(limit_s) from None
        except (ValueError, KeyError, TypeError, OSError) as error:
            self.kill()
            self._process.wait()
            raise WorkerError(f"its decoder's process sent something that is no answer ({error})") from error
        finally:
            alarm.cancel()

    def decode(
        self, name: str, maps: NDArray[np.float32], shape: tuple[int, ...], params: Mapping[str, Any]
    ) -> tuple[NDArray[Any], dict[str, NDArray[np.generic]], float]:
        """Labels or restored image of `shape`, the objects, and the seconds that the decoder took."""
        self._send({"decoder": name, "shape": shape, "params": dict(params)}, maps)
        answer, found = self._hear()
        assert found is not None
        objects = {column: np.asarray(values) for column, values in answer["texts"].items()}
        objects |= {column: cast(Any, wire.receive(cast(Any, self._line))[1]) for column in answer["columns"]}
        ordered = {column: objects[column] for column in answer["order"]}
        return found, ordered, answer["seconds"]

    def score(
        self,
        name: str,
        maps: NDArray[np.float32],
        truth: NDArray[Any],
        combinations: Sequence[Mapping[str, Any]],
        *,
        task: Task,
    ) -> list[float]:
        """Tuning's objective for each combination."""
        self._send({"decoder": name, "task": str(task), "combinations": [dict(item) for item in combinations]}, maps)
        self._send({}, truth)
        return [float(value) for value in self._hear()[0]["scores"]]

    def kill(self) -> None:
        """End it, whatever it is at."""
        self._killed = True
        self._process.kill()

    def close(self) -> None:
        """End it, kindly first."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(timeout=2)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _send(self, message: dict[str, Any], array: NDArray[np.generic]) -> None:
        wire.send(cast(Any, self._line), message, array)

    def _hear(self) -> tuple[dict[str, Any], NDArray[np.generic] | None]:
        answer, array = wire.receive(cast(Any, self._line))
        if "reason" in answer:
            raise PackageError(answer["reason"])
        return answer, array

    def _stop(self) -> None:
        self._hung = True
        self.kill()

    def _death(self, limit_s: float) -> WorkerError:
        code = self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        said = f"took longer than {limit_s:g} s and was stopped" if self._hung else f"died ({how})"
        error = WorkerError(f"its decoder's process {said}")
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - LOG_BYTES))
        error.log = self._log.read().decode(errors="replace")
        return error
