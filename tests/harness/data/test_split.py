"""Dividing a folder of one's own: whole groups, shares as near as they allow, never a second time."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from zooscope.data import load_dataset, split_folder
from zooscope.errors import DataError, UsageError

Own = Callable[..., Path]


def split_of(folder: Path) -> dict[str, str]:
    """Split of each image, as a data set of that folder has it."""
    table = load_dataset(folder).table
    return {str(id): str(split) for id, split in table["split"].items()}


def test_every_image_is_in_one_part_and_the_shares_are_met(own_folder: Own):
    folder = own_folder(10)
    assert split_folder(folder) == folder / "groups.csv"
    data = load_dataset(folder)
    assert {split: len(data.only(split)) for split in data.splits} == {"test": 2, "train": 6, "validation": 2}
    assert data.leaks() == []


def test_images_whose_names_share_what_the_pattern_finds_stay_together(own_folder: Own):
    folder = own_folder(10)
    fields = {letter: f"field{number // 2}-{letter}" for number, letter in enumerate("abcdefghij")}
    for part in ("images", "masks"):
        for letter, name in fields.items():
            (folder / part / f"{letter}.tif").rename(folder / part / f"{name}.tif")
    split_folder(folder, group_by="^[^-]+", test=0.3)
    data = load_dataset(folder)
    assert set(data.table["group"]) == {f"field{number}" for number in range(5)}
    assert data.table.groupby("group")["split"].nunique().max() == 1
    assert [len(data.only(split)) for split in ("test", "train", "validation")] == [2, 6, 2]


def test_a_table_keeps_what_it_says(own_folder: Own):
    folder = own_folder(4)
    (folder / "groups.csv").write_text("id,group,stratum,pixel_size_um\na,x,s,0.5\nb,x,s,0.5\nc,y,t,\nd,z,t,\n")
    split_folder(folder)
    table = pd.read_csv(folder / "groups.csv", dtype=str, keep_default_na=False).set_index("id")
    assert table["group"].to_dict() == {"a": "x", "b": "x", "c": "y", "d": "z"}
    assert table["stratum"].to_dict() == {"a": "s", "b": "s", "c": "t", "d": "t"}
    assert table["pixel_size_um"].to_dict() == {"a": "0.5", "b": "0.5", "c": "", "d": ""}
    assert set(table["split"]) == {"train", "validation", "test"}
    assert split_of(folder) == table["split"].to_dict()


def test_a_large_group_never_leaves_a_part_empty(own_folder: Own):
    folder = own_folder(10)
    groups = dict(zip("abcdefghij", "xxxxxxxxyz", strict=True))
    (folder / "groups.csv").write_text("id,group\n" + "".join(f"{id},{group}\n" for id, group in groups.items()))
    split_folder(folder)
    found = split_of(folder)
    assert {found["i"], found["j"]} == {"test", "validation"}
    assert {found[id] for id in "abcdefgh"} == {"train"}


def test_the_same_seed_draws_the_same_and_another_one_others(own_folder: Own):
    found: list[dict[str, str]] = []
    for number, seed in enumerate((0, 0, 1)):
        folder = own_folder(10, at=f"mine{number}")
        split_folder(folder, seed=seed)
        found.append(split_of(folder))
    assert found[0] == found[1] != found[2]


def test_a_split_is_never_drawn_over(own_folder: Own):
    folder = own_folder(4)
    split_folder(folder)
    before = (folder / "groups.csv").read_bytes()
    with pytest.raises(UsageError, match="has splits already; take the column 'split' out to draw new ones"):
        split_folder(folder, seed=1)
    assert (folder / "groups.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"test": 0.7, "validation": 0.4}, "test 0.7 and validation 0.4: shares above 0"),
        ({"test": 0}, "test 0 and validation 0.2: shares above 0"),
        ({"group_by": "a(+"}, r"--group-by 'a\(\+' is no regular expression"),
        ({"group_by": "[ab]"}, r"--group-by '\[ab\]' finds nothing in the name 'c'"),
    ],
)
def test_shares_and_patterns_that_do_not_fit_are_named(own_folder: Own, options: dict[str, object], said: str):
    folder = own_folder(4)
    with pytest.raises(UsageError, match=said):
        split_folder(folder, **options)  # type: ignore[arg-type]
    assert not (folder / "groups.csv").exists()


def test_groups_that_the_table_gives_are_not_replaced(own_folder: Own):
    folder = own_folder(3)
    (folder / "groups.csv").write_text("id,group\na,x\nb,y\nc,z\n")
    with pytest.raises(UsageError, match="has groups already; --group-by would replace them"):
        split_folder(folder, group_by=".")


def test_two_groups_are_too_few(own_folder: Own):
    with pytest.raises(DataError, match=r"too few groups of images \(2\); test, validation and training need one each"):
        split_folder(own_folder(2))
