"""Digests of decoded content: the same pixels and truths give the same digest, however they were stored."""

import hashlib
import json
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from zooscope.masks import Masks

ROW_KEYS = ("id", "group", "stratum", "split", "image_sha256", "target_sha256")


def array_digest(array: NDArray[np.generic]) -> str:
    """sha256 over dtype, shape and little-endian C-order bytes."""
    head = f"{array.dtype.newbyteorder('<').str}{list(array.shape)}"
    digest = hashlib.sha256(head.encode())
    digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def target_digest(target: NDArray[np.generic], objects: Masks | None, classes: Mapping[int, str] | None = None) -> str:
    """sha256 of a target; where its objects have masks of their own, or classes, over those too."""
    if objects is None and not classes:
        return array_digest(target)
    parts: list[object] = [array_digest(target)]
    if objects is not None:
        parts += [array_digest(array) for array in objects.arrays().values()]
    if classes:
        parts.append(sorted(classes.items()))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def rows_digest(rows: Iterable[Mapping[str, object]]) -> str:
    """sha256 over the samples of a data set, each given by `ROW_KEYS`, in the order of their ids."""
    table = sorted([str(row[key]) for key in ROW_KEYS] for row in rows)
    return hashlib.sha256(json.dumps(table, separators=(",", ":")).encode()).hexdigest()
