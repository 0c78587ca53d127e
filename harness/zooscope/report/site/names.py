"""Names of files and folders: what a model or a row is called in addresses."""

import hashlib
import re

from zooscope.store import Result


def slug(name: str) -> str:
    """A name that every file system and address takes; one that would lose letters keeps a hash of what it was."""
    kept = re.sub("[^a-z0-9._-]", "-", name.lower()).strip("._-")
    return kept if kept == name else f"{kept or 'model'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def row_slug(result: Result) -> str:
    """The model's, and the beginning of the run's key."""
    return f"{slug(result.run['model']['name'])}-{result.run['key'][:8]}"
