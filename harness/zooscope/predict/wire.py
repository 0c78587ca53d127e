"""Messages between zooscope and a model's process: JSON and raw arrays, never pickles (a model may be hostile)."""

import json
import math
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 16 * 2**30
"""No array larger than this is accepted."""

_MAX_MESSAGE_BYTES = 2**20


def send_ahead(device: str) -> int:
    """Images that a worker has at a time: one in its network and one that waits for it; on a GPU two batches."""
    return 2 if device == "cpu" else 32


def send(connection: Connection, message: dict[str, Any], array: NDArray[np.generic] | None = None) -> None:
    """Send a message and, if given, an array."""
    about = None if array is None else {"dtype": array.dtype.str, "shape": list(array.shape)}
    connection.send_bytes(json.dumps({**message, "array": about}).encode())
    if array is not None and array.size:
        connection.send_bytes(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def receive(connection: Connection, *, max_bytes: int = MAX_BYTES) -> tuple[dict[str, Any], NDArray[np.generic] | None]:
    """The next message and its array, which may have up to `max_bytes`.

    Raises
    ------
    EOFError, OSError : the other side is gone.
    ValueError : what came is no message.
    """
    try:
        message = json.loads(connection.recv_bytes(_MAX_MESSAGE_BYTES))
        about = message.pop("array")
        if about is None:
            return message, None
        dtype, shape = np.dtype(about["dtype"]), tuple(int(n) for n in about["shape"])
    except (KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"no message ({type(error).__name__})") from error
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "uif" or min(shape, default=0) < 0 or size > max_bytes:
        raise ValueError(f"an array {shape} of {dtype}")
    content = connection.recv_bytes(size) if size else b""
    return message, np.frombuffer(content, dtype).reshape(shape)
