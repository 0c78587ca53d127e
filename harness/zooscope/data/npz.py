"""Arrays in .npz files from elsewhere: numbers, and arrays of arrays, whose pickle runs nothing but NumPy's arrays."""

import io
import pickle
import zipfile
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.data.archive import look_over
from zooscope.data.members import Members
from zooscope.errors import DataError, one_line

_NAMES = {"_reconstruct", "_frombuffer", "ndarray", "dtype"}
_MODULES = {"numpy", *(f"numpy.{core}.{name}" for core in ("core", "_core") for name in ("multiarray", "numeric"))}


def read_npz(archive: Members, member: str, *names: str) -> list[list[NDArray[np.generic]]]:
    """Of each name the arrays along its first axis, as they are.

    Images of several sizes lie in such files as an array of objects, that is as a pickle. It is loaded by an unpickler
    that knows no other names than those of NumPy's arrays.

    Raises
    ------
    DataError : not a whole npz, a name that it lacks, anything but arrays of numbers.
    """
    source = f"{archive.filename}: {member}"
    content = archive.read(member)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as npz:
            look_over(npz, source, archive_bytes=len(content))
            lacking = [name for name in names if f"{name}.npy" not in npz.namelist()]
            if lacking:
                raise DataError(f"{source}: has no array {lacking[0]}, only {', '.join(npz.namelist())}")
            return [_arrays(npz.read(f"{name}.npy"), source=f"{source}: {name}") for name in names]
    except zipfile.BadZipFile as error:
        raise DataError(f"{source} is not a whole npz ({error}); delete the file and fetch again") from error


def _arrays(content: bytes, *, source: str) -> list[NDArray[np.generic]]:
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
        load = partial(np.load, io.BytesIO(content), allow_pickle=False)
        load = _ArrayUnpickler(stream).load if dtype.hasobject else load
        array = load()
        found = [np.asarray(item) for item in array]
    except (ValueError, TypeError, EOFError, AttributeError, IndexError, KeyError, pickle.UnpicklingError) as error:
        raise DataError(f"{source}: no array of arrays of numbers ({one_line(error)})") from error
    wrong = next((item for item in found if item.dtype.kind not in "buif"), None)
    if wrong is not None or len(found) != shape[0]:
        raise DataError(f"{source}: {len(found)} arrays, one of {wrong.dtype if wrong is not None else shape}")
    return found


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        if module in _MODULES and name in _NAMES:
            return super().find_class(module, name)
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        raise pickle.UnpicklingError(f"{module}.{name} is no array")


def _latin1(text: str, encoding: str) -> bytes:
    """How pickles of Python 2's protocols hold bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in {encoding}")
    return text.encode("latin1")
