"""Commands of training in the documentation: each names a method, data sets and settings that there are."""

import itertools
import re
import shlex
from pathlib import Path

import pytest

from zooscope import plugins
from zooscope_zoo.training.config import make_config

ROOT = Path(__file__).parents[3]


def commands() -> list[list[str]]:
    """The words of every `zooscope train ...` in a block of a page, its lines joined.

    But those of a method of one's own, and of a teacher, who has to be there.
    """
    found: list[list[str]] = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            recipes = [line for line in lines if re.match("zooscope train (?!mine )(?!.*network.teacher=)", line)]
            found += [shlex.split(line, comments=True)[2:] for line in recipes]
    return found


@pytest.mark.parametrize("words", [pytest.param(words, id=" ".join(words[:2])) for words in commands()])
def test_a_recipe_in_the_documentation_is_taken_as_it_stands(words: list[str]) -> None:
    method, data, *options = words
    changes = [value for option, value in itertools.pairwise(options) if option == "--set"]
    config, _ = make_config(plugins.load("methods", method), [data], changes)
    assert config.method == method
    assert data.startswith("my-") or (ROOT / "datasets" / f"{data}.toml").is_file(), f"{data}: no data set"


def test_recipes_were_found() -> None:
    assert {"livecell-labels", "dsb2018"} <= {words[1] for words in commands()}
