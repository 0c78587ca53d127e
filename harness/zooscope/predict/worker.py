"""The process that one model runs in: opens a package, then answers each image with its dense maps.

Started by `predict.process`; run as `python -P -m zooscope.predict.worker PORT PARENT`.
"""

import contextlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope.errors import WorkerError, ZooscopeError
from zooscope.model import Model
from zooscope.package import open_package
from zooscope.predict.wire import receive, send, send_ahead


def main() -> None:
    """Call the process that started this one and serve it."""
    port, parent = (int(word) for word in sys.argv[1:3])
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    _be_expendable()
    np.seterr(all="ignore")
    key = os.environ.pop("ZOOSCOPE_WORKER_KEY")
    with Client(("localhost", port), authkey=bytes.fromhex(key)) as line:
        serve(line)


def serve(connection: Connection) -> None:
    """Open the package that the first message names, then answer images until the other side hangs up."""
    order, _ = receive(connection)
    try:
        options = {name: order[name] for name in ("weights", "device", "padding", "precision", "trust")}
        model = Model(open_package(Path(order["path"])), **options)
    except Exception as error:
        send(connection, _failure(error))
        return
    send(connection, {"ready": True})
    waiting: queue.Queue[xr.DataArray | None] = queue.Queue(send_ahead(order["device"]))
    threading.Thread(target=_read_ahead, args=(connection, waiting), daemon=True).start()
    for images in _of_one_shape(waiting, lambda: model.together):
        begin = time.perf_counter()
        try:
            answers = model.maps_together(images)
        except Exception as error:
            for image in images:  # which of them it was
                send(connection, *(_failed(error) if len(images) == 1 else _answer(model, image)))
            continue
        seconds = (time.perf_counter() - begin) / len(images)
        for maps in answers:
            send(connection, {"tile_px": model.tile_px, "seconds": seconds}, maps)


def _answer(model: Model, image: xr.DataArray) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """What is sent for an image on its own."""
    begin = time.perf_counter()
    try:
        maps = model.maps(image)
    except Exception as error:
        return _failed(error)
    return {"tile_px": model.tile_px, "seconds": time.perf_counter() - begin}, maps


def _of_one_shape(waiting: "queue.Queue[xr.DataArray | None]", most: Callable[[], int]) -> Iterator[list[xr.DataArray]]:
    """The images that lie there, those of one shape together, without waiting for more."""
    together: list[xr.DataArray] = []
    while True:
        image = waiting.get()
        if together and (image is None or image.shape != together[0].shape):
            yield together
            together = []
        if image is None:
            return
        together.append(image)
        if waiting.empty() or len(together) >= most():
            yield together
            together = []


def _read_ahead(connection: Connection, waiting: "queue.Queue[xr.DataArray | None]") -> None:
    """Take the next images off the line while the network works; None when the other side has hung up."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            message, array = receive(connection)
            assert array is not None
            waiting.put(xr.DataArray(array, dims=tuple(message["axes"])))
    waiting.put(None)


def _failed(error: Exception) -> tuple[dict[str, Any], None]:
    return _failure(error), None


def _failure(error: Exception) -> dict[str, Any]:
    """What is told of an error; `crashed` where it is not the package's own word but memory or the device."""
    if error.__cause__ or not isinstance(error, ZooscopeError):
        traceback.print_exception(error)
        sys.stderr.flush()
    if isinstance(error, ZooscopeError):
        return {"reason": str(error), "crashed": isinstance(error, WorkerError)}
    text = " ".join(str(error).split())[:300]
    if isinstance(error, MemoryError):
        return {"reason": f"memory ran out ({text or 'no more is said'})", "crashed": True}
    return {"reason": f"{type(error).__name__}: {text}", "crashed": False}


def _be_expendable() -> None:
    """Leave no core file when it crashes, and be the first to go when the machine's memory runs out (Linux)."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _follow(parent: int) -> None:
    """End this process when its parent is gone, also in the middle of an image: nobody waits for it any more."""
    while os.getppid() == parent:
        time.sleep(2)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
