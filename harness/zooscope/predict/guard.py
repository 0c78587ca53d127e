"""Guard: watches a process and those that it starts, and ends them all when they take too long or too much memory."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import psutil

from zooscope.predict.memory import GIB

POLL_S = 0.05
KIN_POLLS = 40
"""Started processes are looked for only every so many polls: finding them reads the whole table of processes."""

LAST_WORDS_S = 5.0
"""How long what a process sent before it ended may still be read, where another one holds its line open."""


class Guard:
    """Watches a process from a thread of its own until it ends.

    The memory that counts is what is resident, of the process and all that it started: an address space is far larger
    than that under CUDA, and limiting it breaks CUDA.

    Parameters
    ----------
    process : leader of a process group of its own, where the system has such.
    memory_limit_gib : the most that it and its children may hold together.
    remedy : what is said where the memory was not enough.
    on_stop : called when they have ended, from the guard's thread.

    Attributes
    ----------
    stopped : why the guard ended them, or None.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        memory_limit_gib: float,
        remedy: str = "",
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self.stopped: str | None = None
        self._process, self._on_stop = process, on_stop
        self._memory_gib, self._remedy = memory_limit_gib, remedy
        self._job: tuple[str, float, float] = (" at starting", float("inf"), float("inf"))
        self._done = threading.Event()
        self._killing, self._killed = threading.Lock(), False
        self._kin: dict[int, psutil.Process] = {}
        with contextlib.suppress(psutil.Error):
            self._kin[process.pid] = psutil.Process(process.pid)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @contextmanager
    def at(self, what: str, limit_s: float) -> Generator[None]:
        """While the block runs the process is at `what` ("" where that is plain) and may take so long for it."""
        self._job = (f" at {what}" if what else "", limit_s, time.monotonic() + limit_s)
        try:
            yield
        finally:
            self._job = (self._job[0], limit_s, float("inf"))

    def kill(self) -> None:
        """End the process and all that it started, whatever they do about signals."""
        with self._killing:
            if self._killed:
                return
            self._look_for_kin()
            if hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            for one in list(self._kin.values()):
                with contextlib.suppress(psutil.Error):
                    one.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            # once it was waited for, its number may become another's: never again
            self._killed = self._process.returncode is not None

    def close(self) -> None:
        """End what still runs and watch no longer."""
        self.kill()
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        polls = 0
        while not self._done.wait(POLL_S) and self.stopped is None:
            if polls % KIN_POLLS == 0:
                self._look_for_kin()
            polls += 1
            if self._process.poll() is not None:
                self.kill()
                self._done.wait(LAST_WORDS_S)
                self._on_stop()
                return
            what, limit_s, deadline = self._job
            if time.monotonic() > deadline:
                self._stop(f"took longer than {limit_s:g} s{what} and was stopped")
            elif self._resident_bytes() > self._memory_gib * GIB:
                limit = f"{self._memory_gib:.3g} GiB"
                self._stop(f"took more than {limit} of memory{what} and was stopped{self._remedy}")

    def _stop(self, reason: str) -> None:
        self.stopped = reason
        self.kill()
        self._on_stop()

    def _look_for_kin(self) -> None:
        for one in list(self._kin.values()):
            with contextlib.suppress(psutil.Error):
                self._kin.update((child.pid, child) for child in one.children(recursive=True))

    def _resident_bytes(self) -> int:
        total = 0
        for pid, one in list(self._kin.items()):
            try:
                total += one.memory_info().rss
            except psutil.Error:
                if pid != self._process.pid:
                    self._kin.pop(pid, None)
        return total
