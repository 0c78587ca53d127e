"""Keys: sha256 of canonical JSON, so that the same work has the same name everywhere."""

import hashlib
import json
from typing import Any

PREDICT_VERSION = 1
"""Counts changes of the harness's own prediction code that may change an answer."""


def digest_of(*parts: Any) -> str:
    """sha256 over parts of JSON types; the order of keys does not matter, that of lists does."""
    return hashlib.sha256(canonical(list(parts)).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; values of other types (a YAML date) as their text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
