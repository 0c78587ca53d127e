"""What the code in a TorchScript archive may do: compute, but not reach files or anything else outside.

torch.jit.load runs no Python and loads no Python pickle: its own reader builds tensors and TorchScript classes, and its
own compiler takes the archive's code. That code may call every operator that torch has registered, and some of these
write or map files (aten::save, aten::from_file in torch's table of operators); it runs already while it is loaded
(`__setstate__`). So it is looked over first, and what torch is given is an archive of exactly the members looked over.
"""

import ast
import io
import re
import zipfile
from collections.abc import Iterator

from zooscope.data.archive import look_over
from zooscope.errors import DataError, PackageError

MAX_CODE_BYTES = 16 * 2**20
"""Of all code of an archive; a network of a thousand layers has about one."""

MAX_BYTES = 16 * 2**30
"""Of all members of an archive."""

_REACHING = {"save", "from_file"}
"""Operators that write or map files. `getattr` takes its name as a string, which may be written in many ways."""

_NAMESPACES = {"aten", "prim", "prims", "quantized", "_quantized", "sparse", "torchvision", "mkldnn",
               "mkldnn_prepacked", "onednn", "prepacked", "xnnpack"}  # fmt: skip
_CLASS = re.compile(rb"torch\.classes\.(\w+)")
_CLASSES = {b"quantized", b"rnn", b"sparse", b"xnnpack", b"mkldnn"}


def looked_over(weights: bytes) -> bytes:
    """TorchScript weights, as an archive of what was looked over.

    Raises
    ------
    PackageError : no TorchScript archive, a zip bomb, or code that reaches outside.
    """
    clean = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(weights)) as archive, zipfile.ZipFile(clean, "w") as copy:
            look_over(archive, "its TorchScript weights", archive_bytes=len(weights), max_bytes=MAX_BYTES)
            names = archive.namelist()
            code = [name for name in names if _is_code(name)]
            size = sum(archive.getinfo(name).file_size for name in code)
            if size > MAX_CODE_BYTES:
                raise PackageError(f"its TorchScript weights hold {size} bytes of code; refused")
            if not code or any(name.rpartition("/")[2] == "model.json" for name in names):
                raise PackageError("its TorchScript weights cannot be loaded (no TorchScript archive)")
            for name in names:
                content = archive.read(name)
                if _is_code(name) or name.endswith(".pkl"):
                    _refuse_reaching_out(content, code=_is_code(name))
                copy.writestr(zipfile.ZipInfo(name), content)
    except DataError as error:
        raise PackageError(str(error)) from error
    except PackageError:
        raise
    except Exception as error:  # zipfile's many ways to say that a zip is broken
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise PackageError(f"its TorchScript weights cannot be loaded ({text})") from error
    return clean.getvalue()


def _is_code(name: str) -> bool:
    return name.endswith(".py") and "/code/" in name


def _refuse_reaching_out(content: bytes, *, code: bool) -> None:
    found = {name.decode() for name in _CLASS.findall(content) if name not in _CLASSES}
    if code:
        found |= set(_reaching(ast.parse(content.decode())))
    if found:
        raise PackageError(f"its TorchScript code uses '{min(found)}', which reaches beyond the network; refused")


def _reaching(tree: ast.Module) -> Iterator[str]:
    """What code uses of what reaches out.

    Archives hold a part of Python's grammar, so code that Python cannot read is refused.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr in _REACHING:
                yield node.attr
            elif isinstance(node.value, ast.Name) and node.value.id == "ops" and node.attr not in _NAMESPACES:
                yield f"ops.{node.attr}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            name = node.args[1].value if len(node.args) == 2 and isinstance(node.args[1], ast.Constant) else None
            if not isinstance(name, str) or name in _REACHING:
                yield str(name or "getattr")
            elif isinstance(node.args[0], ast.Name) and node.args[0].id == "ops" and name not in _NAMESPACES:
                yield f"ops.{name}"
