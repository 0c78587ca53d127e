"""YAML of strangers: what a description can be is read as always, bombs are refused before anything is built."""

import zipfile
from pathlib import Path

import pytest
import yaml

from zooscope.bounded_yaml import MAX_BYTES, MAX_DEPTH, load_bounded
from zooscope.bundled import bundled

LAUGHS = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_a_real_description_is_read_as_plain_yaml_reads_it(mirror: Path):
    packages = [bundled("weights") / "nuclei-tiny.zip", *sorted((mirror / "packages").glob("*.zip"))]
    for path in packages:
        with zipfile.ZipFile(path) as archive:
            content = archive.read("rdf.yaml")
        assert load_bounded(content) == yaml.safe_load(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LAUGHS, "is far larger than any description with its references written out"),
        ("a: &a " + "x" * 500_000 + f"\nb: [{', '.join(['*a'] * 99)}]", "is far larger than any description"),
        ("a: &a\n  b: 1\nc:\n" + "  - {<<: [" + ", ".join(["*a"] * 9) + "]}\n", None),
        ("a: &a [1, *a]", "has a reference '*a' to itself or to nothing"),
        ("a: *b", "has a reference '*b' to itself or to nothing"),
        ("[" * (MAX_DEPTH + 1), f"is nested more than {MAX_DEPTH} deep"),
        ("[" * 500_000, "is "),  # its parser has a limit too
        ("- " * 500_000, f"is nested more than {MAX_DEPTH} deep"),
        ("{a: " * 100_000, f"is nested more than {MAX_DEPTH} deep"),
        ("#" * (MAX_BYTES + 1), f"is {MAX_BYTES + 1} bytes long, at most {MAX_BYTES} are read"),
        ("a: !!python/object/apply:os.system [id]", "is not YAML ("),
        ("a: !!python/name:os.system", "is not YAML ("),
        ("a: [", "is not YAML ("),
        ("\x00", "is not YAML ("),
        ("a: 2026-99-99", "is not YAML ("),
        ("? [a]\n: 1", "is not YAML ("),
    ],
    ids=lambda text: str(text)[:20],
)
def test_a_bomb_is_refused_and_a_reference_is_not(content: str, reason: str | None):
    if reason is None:
        assert load_bounded(content.encode()) == yaml.safe_load(content)
        return
    with pytest.raises(ValueError) as error:  # noqa: PT011  compared below
        load_bounded(content.encode())
    assert str(error.value).startswith(reason)
    assert "\n" not in str(error.value)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(ValueError, match="is not YAML"):
        load_bounded(b"name: \x80\x81")
