"""The end of what a process prints: read as it comes, so that endless output fills neither memory nor disk."""

import os
import threading
from typing import IO

KEPT_BYTES = 8000
"""How much of the end is kept by default."""


class Tail:
    """Reads a pipe to its end in a thread of its own and keeps the last bytes of it."""

    def __init__(self, pipe: IO[bytes], *, kept_bytes: int = KEPT_BYTES) -> None:
        self._pipe, self._kept_bytes, self._kept = pipe, kept_bytes, b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def text(self, *, timeout_s: float = 1.0) -> str:
        """What was printed last; waits until the pipe ends, but no longer than told. Only what can be shown."""
        self._thread.join(timeout_s)
        text = self._kept.decode(errors="replace")
        return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")

    def close(self) -> None:
        """Close the pipe once it has ended; one that a stray process still holds open is left to its thread."""
        self._thread.join(timeout=1)
        if not self._thread.is_alive():
            self._pipe.close()

    def _read(self) -> None:
        while chunk := os.read(self._pipe.fileno(), 1 << 16):
            self._kept = (self._kept + chunk)[-self._kept_bytes :]
