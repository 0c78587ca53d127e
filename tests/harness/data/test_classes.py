"""classes.csv: which class the objects of a folder are of, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zooscope.data import load_dataset
from zooscope.data.folder import write_folder
from zooscope.errors import DataError

Own = Callable[..., Path]


def with_classes(folder: Path, *rows: str) -> Path:
    (folder / "classes.csv").write_text("\n".join(["id,label,class", *rows]) + "\n")
    return folder


def test_objects_have_the_classes_that_the_table_gives_them(own_folder: Own):
    first, second, third = load_dataset(with_classes(own_folder(3), "a,1,round", "a,2,long", "b,1, round "))
    assert first.classes == {1: "round", 2: "long"}
    assert second.classes == {1: "round"}
    assert third.classes == {}
    assert [sample.classes for sample in load_dataset(own_folder(1, at="other"))] == [None]


def test_another_class_is_another_content(own_folder: Own):
    plain = load_dataset(own_folder(2)).digest
    with_none = load_dataset(with_classes(own_folder(2))).digest
    one = load_dataset(with_classes(own_folder(2), "a,1,round")).digest
    other = load_dataset(with_classes(own_folder(2), "a,1,long")).digest
    assert plain == with_none
    assert len({plain, one, other}) == 3


def test_a_folder_written_again_has_the_same_classes_and_content(own_folder: Own, tmp_path: Path):
    data = load_dataset(with_classes(own_folder(2), "b,2,long", "a,1,round"))
    write_folder(tmp_path / "again", ((sample, "train") for sample in data))
    again = load_dataset(tmp_path / "again")
    assert [sample.classes for sample in again] == [sample.classes for sample in data] == [{1: "round"}, {2: "long"}]
    assert list(again.table["target_sha256"]) == list(data.table["target_sha256"])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("z,1,round", "'z' is not in images/"),
        ("a,0,round", "'a' has the label '0'; whole numbers from 1 are expected"),
        ("a,1.5,round", "'a' has the label '1.5'"),
        ("a,-1,round", "'a' has the label '-1'"),
        ("a,1,", "object 1 of 'a' has an empty class"),
        ("a,1,round\na,1,long", "object 1 of 'a' stands there twice"),
        ("a,99999,round", "classes.csv names object 99999, which the mask does not hold"),
        ("a,1,round,long", "a row has more cells than the table has columns"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(own_folder: Own, row: str, reason: str):
    folder = with_classes(own_folder(1), row)
    with pytest.raises(DataError) as error:
        load_dataset(folder)
    assert reason in str(error.value)
    assert str(folder) in str(error.value)


def test_other_columns_are_refused(own_folder: Own):
    folder = own_folder(1)
    (folder / "classes.csv").write_text("id,object,class\na,1,round\n")
    with pytest.raises(DataError, match="columns id, object, class; id, label, class are expected"):
        load_dataset(folder)


def test_a_mask_that_changed_under_its_classes_is_noticed(own_folder: Own):
    data = load_dataset(with_classes(own_folder(1), "a,1,round"))
    with_classes(data.folder, "a,1,long")
    data.table.at["a", "classes"] = {1: "long"}
    with pytest.raises(DataError, match="changed since its digest was taken"):
        data["a"]
    assert np.unique(load_dataset(data.folder)["a"].target)[1] == 1
