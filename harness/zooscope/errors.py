"""Errors whose text is meant for a person: what was wrong, where it came from, what to do."""


class ZooscopeError(Exception):
    """The base of every error that zooscope raises on purpose; its text is one line.

    `log` holds the end of what a model's process printed, where one did.
    """

    log: str = ""


class UsageError(ZooscopeError):
    """A name, an option or an argument that does not exist or does not fit."""


class DataError(ZooscopeError):
    """A data card, a download, an archive or an image that cannot be used."""


class PackageError(ZooscopeError):
    """A package that cannot be opened, cannot run here or cannot be ranked; the text is the reason."""


class WorkerError(ZooscopeError):
    """A model's process that crashed, hung, took too much memory, or answered with something that is no prediction."""


MOST_OF_A_TEXT = 300


def one_line(error: object) -> str:
    """Text of another library's error as one line of at most 300 characters; its type where it has no text."""
    return " ".join(str(error).split())[:MOST_OF_A_TEXT] or type(error).__name__
