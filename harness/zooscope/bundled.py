"""Finds the files that travel with zooscope: data cards, the demo set, shipped weights."""

from pathlib import Path
from typing import Literal

_IN_REPOSITORY = {"datasets": "datasets", "weights": "zoo/weights"}


def bundled(name: Literal["datasets", "weights"]) -> Path:
    """Folder of bundled files: inside the installed package, or the repository's in an editable install.

    A wheel carries the folders inside the package; an editable install leaves them where they are in the checkout.
    """
    here = Path(__file__).resolve().parent
    packaged = here / "bundled" / name
    if packaged.is_dir():
        return packaged
    return here.parents[1] / _IN_REPOSITORY[name]
