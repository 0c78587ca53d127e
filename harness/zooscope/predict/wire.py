"""Messages between zooscope and a model's process: JSON and raw arrays, never pickles (a model may be hostile)."""

import contextlib
import json
import math
import socket
from collections.abc import Generator
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 16 * 2**30
"""No array larger than this is accepted."""

_MAX_MESSAGE_BYTES = 2**20
_AT_ONCE_BYTES = 2**28


class Line(Protocol):
    """What carries messages: a connection over a socket, whose arrays go past its own copies, or another line."""

    def send_bytes(self, content: Any, /) -> None:
        """Send a message."""
        ...

    def recv_bytes(self, most: Any, /) -> bytes:
        """The next message, of at most so many bytes."""
        ...


def send_ahead(device: str) -> int:
    """Images that a worker has at a time: one in its network and one that waits for it; on a GPU two batches."""
    return 2 if device == "cpu" else 32


def send(connection: Line, message: dict[str, Any], array: NDArray[np.generic] | None = None) -> None:
    """Send a message and, if given, an array."""
    about = None if array is None else {"dtype": array.dtype.str, "shape": list(array.shape)}
    connection.send_bytes(json.dumps({**message, "array": about}).encode())
    if array is None or not array.size:
        return
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    if isinstance(connection, Connection):
        with _socket(connection) as line:
            line.sendall(content)
    else:
        connection.send_bytes(content)


def receive(connection: Line, *, max_bytes: int = MAX_BYTES) -> tuple[dict[str, Any], NDArray[np.generic] | None]:
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
    if not isinstance(connection, Connection):
        content = connection.recv_bytes(size) if size else b""
        return message, np.frombuffer(content, dtype).reshape(shape)
    try:
        array = np.empty(shape, dtype)
    except MemoryError as error:
        raise ValueError(f"an array {shape} of {dtype}, for which there is no memory") from error
    if size:
        with _socket(connection) as line:
            _fill(array.reshape(-1).view(np.uint8).data, line)
    return message, array


def _fill(content: memoryview, line: socket.socket) -> None:
    """Receive an array where it will stay; `Connection.recv_bytes` copies what comes twice."""
    while content:
        count = line.recv_into(content, min(len(content), _AT_ONCE_BYTES))
        if not count:
            raise EOFError
        content = content[count:]


@contextlib.contextmanager
def _socket(connection: "Connection[Any, Any]") -> Generator[socket.socket]:
    """The connection's own socket, which stays open."""
    line = socket.socket(fileno=connection.fileno())
    try:
        line.settimeout(None)
        yield line
    finally:
        line.detach()
