"""The command line's entry: verbs that run a network in their own process get one that may crash.

A network that brings its process down would otherwise end the command without a word.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

VERBS = ("predict",)
"""Those that load a model themselves; `run`, `verify` and `check` start a process a model."""

_CHILD = "import sys; sys.argv[0] = 'zooscope'; from zooscope.cli import main; main()"
_CRASHED = 2


def main() -> None:
    """Run the command line, in a process apart where its verb is one of `VERBS`."""
    if sys.argv[1:2] and sys.argv[1] in VERBS:
        raise SystemExit(run_apart(sys.argv[1:]))
    from zooscope.cli import main as run_here

    run_here()


def run_apart(words: Sequence[str]) -> int:
    """Exit code of the command line with these words, run on this terminal; one line on stderr where it was killed."""
    # -P: what lies in the current folder is data, never to be imported
    process = subprocess.Popen([sys.executable, "-P", "-c", _CHILD, *words])
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:  # it got the same one, and ends as it wants
            continue
    if code >= 0:
        return code
    name = signal.Signals(-code).name
    if name in ("SIGINT", "SIGTERM"):
        return 128 - code
    perhaps = ", as when a machine's memory runs out" if name == "SIGKILL" else ""
    told = f"its process died (signal {name}){perhaps}; `zooscope check PACKAGE` tests a package step by step"
    os.write(2, f"zooscope: {words[0]}: {told}\n".encode())
    return _CRASHED
