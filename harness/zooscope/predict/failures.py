"""What it means that a network failed: the package's own fault, memory that ran out, or a device that was lost."""

from zooscope.errors import PackageError, WorkerError

_NO_MEMORY = (
    "out of memory",
    "allocate memory",  # torch's allocator on the CPU, and ONNX Runtime's arenas
    "bad allocation",
    "bad_alloc",
    "ALLOC_FAILED",  # cuBLAS, cuDNN
    "smaller than requested bytes",  # ONNX Runtime's CUDA arena
)
_LOST = ("CUDA error", "CUDA failure", "EXECUTION_FAILED", "device-side assert", "device lost")
"""Texts of torch and of ONNX Runtime, which says both as its general exception; TorchScript says torch's as text."""


class DeviceMemoryError(WorkerError):
    """A network that wanted more memory than its device has: smaller tiles may still fit."""


def network_failure(error: Exception, shape: tuple[int, ...]) -> PackageError | WorkerError:
    """The error to raise for one that a network raised on a tile of `shape`."""
    text = " ".join(str(error).split())
    what = f"on a tile {shape}: {type(error).__name__}: {text[-300:]}"
    if isinstance(error, MemoryError) or any(word in text for word in _NO_MEMORY):
        return DeviceMemoryError(f"memory ran out {what}")
    if type(error).__name__ == "AcceleratorError" or any(word in text for word in _LOST):
        return WorkerError(f"its device was lost {what}")
    return PackageError(f"its network failed {what}")
