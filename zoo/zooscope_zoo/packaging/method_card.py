"""A method's card.md: title, summary, tags and citations on top, then what it is for and its limits."""

from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field

from zooscope.errors import ZooscopeError
from zooscope_zoo.method import Method


class Citation(BaseModel):
    """A publication; doi without "https://doi.org/"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    doi: str


class MethodCard(BaseModel):
    """What a method says of itself in the packages made with it; `intended_use` and `limits` are Markdown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    summary: str
    tags: tuple[str, ...]
    cite: tuple[Citation, ...] = Field(min_length=1)
    intended_use: str
    limits: str


def method_card(method: Method) -> MethodCard:
    """Read the card.md beside a method.

    Raises
    ------
    ZooscopeError : no front matter between two lines of ---, or a heading other than Intended use and Limits.
    """
    package = type(method).__module__.rpartition(".")[0]
    text = files(package).joinpath("card.md").read_text(encoding="utf-8")
    try:
        _, head, body = text.split("---\n", 2)
        sections = dict(_section(part) for part in body.split("\n## ")[1:])
        return MethodCard.model_validate({**yaml.safe_load(head), **sections})
    except (ValueError, TypeError) as error:
        raise ZooscopeError(f"{package}/card.md: {' '.join(str(error).split())}") from error


def _section(part: str) -> tuple[str, str]:
    heading, _, text = part.partition("\n")
    return heading.strip().lower().replace(" ", "_"), text.strip()
