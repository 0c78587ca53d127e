"""The process that one model runs in: opens a package, then answers each image with its dense maps.

Started by `predict.process`; run as `python -P -m zooscope.predict.worker PORT`.
"""

import os
import sys
import threading
import time
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from zooscope.errors import ZooscopeError
from zooscope.model import Model
from zooscope.package import open_package
from zooscope.predict.wire import receive, send


def serve(connection: Connection) -> None:
    """Open the package that the first message names, then answer images until the other side hangs up."""
    order, _ = receive(connection)
    try:
        options = {name: order[name] for name in ("weights", "device", "padding", "trust")}
        model = Model(open_package(Path(order["path"])), **options)
    except Exception as error:
        send(connection, _failure(error))
        return
    send(connection, {"ready": True})
    while True:
        try:
            message, array = receive(connection)
        except EOFError:
            return
        assert array is not None
        try:
            maps = model.maps(xr.DataArray(array, dims=tuple(message["axes"])))
        except Exception as error:
            send(connection, _failure(error))
        else:
            send(connection, {"maps": True}, maps)


def _failure(error: Exception) -> dict[str, Any]:
    if isinstance(error, ZooscopeError):
        return {"reason": str(error)}
    import traceback

    traceback.print_exception(error)
    return {"reason": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def _follow(parent: int) -> None:
    """End this process when its parent is gone, also in the middle of an image: nobody waits for it any more."""
    while os.getppid() == parent:
        time.sleep(2)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    np.seterr(all="ignore")
    key = os.environ.pop("ZOOSCOPE_WORKER_KEY")
    with Client(("localhost", int(sys.argv[1])), authkey=bytes.fromhex(key)) as line:
        serve(line)
