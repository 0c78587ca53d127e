"""A data set's surroundings, made small: an empty cache, a card, a web server, a folder of demo images."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from zooscope.data import Dataset

ENCODE: dict[str, Callable[..., bytes]] = {
    ".png": imagecodecs.png_encode,
    ".jpg": imagecodecs.jpeg8_encode,
    ".bmp": imagecodecs.bmp_encode,
}


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and no mirror, for one test."""
    monkeypatch.setenv("ZOOSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZOOSCOPE_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def write_card(tmp_path: Path) -> Callable[..., Path]:
    """Writes a card `<id>.toml`; keyword arguments add keys to a card that is whole, or (None) take them away."""

    def write(id: str = "tiny", **changes: Any) -> Path:
        keys: dict[str, Any] = {
            "id": id,
            "version": "1",
            "task": "instance-segmentation",
            "title": "Tiny",
            "description": "Made by a test.",
            "licence": "CC0-1.0",
            "citation": "nobody",
            "homepage": "https://example.org/",
            "splits": {"test": "to rank on"},
        }
        keys = {key: value for key, value in {**keys, **changes}.items() if value is not None}
        scalars = [f"{key} = {json.dumps(value)}" for key, value in keys.items() if key not in ("splits", "sources")]
        splits = ["[splits]", *(f"{key} = {json.dumps(value)}" for key, value in keys.get("splits", {}).items())]
        sources: list[str] = []
        for source in keys.get("sources", ()):
            sources += ["[[sources]]", *(f"{key} = {json.dumps(value)}" for key, value in source.items())]
        path = tmp_path / f"{id}.toml"
        path.write_text("\n".join(scalars + splits + sources))
        return path

    return write


@pytest.fixture
def write_array() -> Callable[..., Path]:
    """Writes an array as the kind of image file that the path's suffix says, by other means than zooscope's."""

    def write(path: Path, array: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, array)
        elif path.suffix in (".tif", ".tiff"):
            tifffile.imwrite(path, array)
        else:
            path.write_bytes(ENCODE[path.suffix](array))
        return path

    return write


@pytest.fixture
def own_folder(tmp_path: Path, demo: Dataset, write_array: Callable[..., Path]) -> Callable[..., Path]:
    """Makes a user's folder of the first gray demo images, named a, b, c ..."""

    def make(count: int = 3, *, image: str = ".tif", mask: str = ".tif", at: str = "mine") -> Path:
        gray = [sample for sample in demo if sample.axes == "yx"][:count]
        for letter, sample in zip("abcdefghij", gray, strict=False):
            write_array(tmp_path / at / "images" / f"{letter}{image}", sample.image.values)
            write_array(tmp_path / at / "masks" / f"{letter}{mask}", sample.target.astype(np.uint16))
        return tmp_path / at

    return make
