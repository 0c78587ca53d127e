"""Messages between zooscope and a model's process: JSON and raw arrays, never pickles (a model may be hostile)."""

import json
import math
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 16 * 2**30
"""No array larger than this is accepted."""


def send(connection: Connection, message: dict[str, Any], array: NDArray[np.generic] | None = None) -> None:
    """Send a message and, if given, an array."""
    about = None if array is None else {"dtype": array.dtype.str, "shape": list(array.shape)}
    connection.send_bytes(json.dumps({**message, "array": about}).encode())
    if array is not None and array.size:
        connection.send_bytes(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def receive(connection: Connection) -> tuple[dict[str, Any], NDArray[np.generic] | None]:
    """The next message and its array.

    Raises
    ------
    EOFError, OSError : the other side is gone.
    ValueError : what came is no message.
    """
    message = json.loads(connection.recv_bytes(2**24))
    about = message.pop("array")
    if about is None:
        return message, None
    dtype, shape = np.dtype(about["dtype"]), tuple(int(n) for n in about["shape"])
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "uif" or size > MAX_BYTES:
        raise ValueError(f"an array {shape} of {dtype}")
    content = connection.recv_bytes(size) if size else b""
    return message, np.frombuffer(content, dtype).reshape(shape)
