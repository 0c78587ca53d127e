"""Precision of a network's arithmetic: float32, or half of that where torch may choose (AMP)."""

from contextlib import AbstractContextManager, nullcontext

from zooscope.errors import PackageError, UsageError

FLOAT32 = "float32"
PRECISIONS = (FLOAT32, "bf16", "fp16")
IN_TORCH = ("torchscript", "pytorch_state_dict")
"""Weights formats that torch runs."""


def resolve_precision(name: str, device: str) -> str:
    """The precision of that name.

    Raises
    ------
    UsageError : another name, or one that the device ("cpu", "cuda:0", several with commas) does not compute in.
    """
    if name not in PRECISIONS:
        raise UsageError(f"precision '{name}' is not one of {', '.join(PRECISIONS)}")
    if name == "fp16" and device == "cpu":  # torch's autocast has no float16 for some operations there
        raise UsageError("precision 'fp16' needs a GPU; on the CPU use bf16 or float32")
    if name == "bf16" and device != "cpu":
        import torch

        for one in device.split(","):
            with torch.cuda.device(one):
                if not torch.cuda.is_bf16_supported(including_emulation=False):
                    raise UsageError(f"precision 'bf16': {one} does not compute in it; use fp16 or float32")
    return name


def refuse_precision(name: str, weights_format: str) -> None:
    """Raise PackageError for weights whose runtime computes in what they were written in."""
    if name != FLOAT32 and weights_format not in IN_TORCH:
        raise PackageError(
            f"its {weights_format} weights run in {FLOAT32} alone, not in {name}, which needs {' or '.join(IN_TORCH)}"
        )


def autocast(name: str, device: str) -> AbstractContextManager[object]:
    """Within it torch computes in that precision where that is safe."""
    if name == FLOAT32:
        return nullcontext()
    import torch

    return torch.autocast(device.partition(":")[0], dtype={"bf16": torch.bfloat16, "fp16": torch.float16}[name])
