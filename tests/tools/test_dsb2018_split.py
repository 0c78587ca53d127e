from pathlib import Path
from types import ModuleType

from zooscope.bundled import bundled
from zooscope.data import Dataset
from zooscope.data.readers import split_table


def test_the_committed_split_table_is_what_the_tool_makes(tool: ModuleType, dsb2018: Dataset) -> None:
    table = split_table(bundled("datasets") / "splits" / "dsb2018.csv")
    field, strata = tool.fields()
    assert {id: row["group"] for id, row in table.items()} == field
    assert {id: row["stratum"] for id, row in table.items()} == strata
    assert {id: row["split"] for id, row in table.items()} == tool.split_by_field(field, strata)


def test_random_splits_leak_as_far_as_the_documentation_says(tool: ModuleType) -> None:
    table = split_table(bundled("datasets") / "splits" / "dsb2018.csv")
    mean, low, high = tool.random_leak({id: row["group"] for id, row in table.items()})
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    assert f"{mean:.1%} of test images share a field with training ({low:.1%} to {high:.1%})" in text
