"""Members of an archive, whatever its kind, and the arrays in them."""

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import DataError
from zooscope.imagefile import decode_array


class Members(Protocol):
    """What zip and tar archives have in common."""

    @property
    def filename(self) -> str | None:
        """Where the archive lies."""
        ...

    def namelist(self) -> Sequence[str]:
        """Names of all members."""
        ...

    @property
    def read(self) -> Callable[[str], bytes]:
        """A member's content by its name."""
        ...


def decode_member(archive: Members, member: str, *, suffix: str) -> NDArray[np.generic]:
    """The array in a member that is an image file; DataError names a member that is none."""
    content = archive.read(member)
    try:
        return decode_array(content, suffix=suffix)
    except Exception as error:  # every codec has its own
        what = f"{archive.filename}: {member} cannot be read as {suffix[1:].upper()}"
        raise DataError(f"{what} ({' '.join(str(error).split()) or type(error).__name__})") from error


def members_in(archive: Members, folder: str, *, suffixes: tuple[str, ...]) -> list[str]:
    """Members that lie directly in a folder whose path ends so ("test/gt"), sorted; not the files that macOS adds."""
    found: list[str] = []
    for name in sorted(archive.namelist()):
        path = PurePosixPath(name)
        inside = f"/{path.parent}".endswith(f"/{folder}") and "__MACOSX" not in path.parts
        if inside and path.suffix.lower() in suffixes and not path.name.startswith("."):
            found.append(name)
    return found


def member_named(archive: Members, file: str) -> str:
    """The one member with this file name, in whatever folder; DataError if there is none or there are several."""
    found = [name for name in archive.namelist() if PurePosixPath(name).name == file and "__MACOSX" not in name]
    if len(found) != 1:
        raise DataError(f"{archive.filename}: has {len(found)} members '{file}'; one is expected")
    return found[0]
