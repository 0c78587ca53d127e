"""Two pipes as a line that `zooscope.predict.wire` can use: messages with their length before them."""

from typing import IO


class Line:
    """Sends and receives bytes over a pair of binary streams."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        self._reader, self._writer = reader, writer

    def send_bytes(self, content: bytes | memoryview) -> None:
        """Send a message."""
        self._writer.write(memoryview(content).nbytes.to_bytes(8, "little"))
        self._writer.write(content)
        self._writer.flush()

    def recv_bytes(self, most: int) -> bytes:
        """The next message; EOFError where the other side is gone, OSError for one of more than `most` bytes."""
        size = int.from_bytes(self._read(8), "little")
        if size > most:
            raise OSError(f"a message of {size} bytes")
        return self._read(size)

    def _read(self, size: int) -> bytes:
        content = self._reader.read(size)
        if len(content) < size:
            raise EOFError
        return content
