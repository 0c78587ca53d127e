"""The leak: both sides learn from as much, one from neighbours of a tile and one not; only that counts as the gain."""

import json
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from zooscope.bundled import bundled

AP = "ap50.per-image@1"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(bundled("datasets") / "splits" / "dsb2018.csv", index_col="id")


def test_sides_train_alike_but_for_whose_neighbours_they_see(tool: ModuleType, table: pd.DataFrame):
    plan = tool.make_plan(table, pairs=24)
    group = dict(zip(map(str, table.index), table["group"], strict=True))
    fields: dict[str, dict[str, set[str]]] = {}
    for side in ("a", "b"):
        splits: dict[str, str] = plan.splits(side)
        assert set(splits.values()) == {"train", "test"}
        assert "validation" not in set(table["split"][list(splits)])
        fields[side] = {part: {group[id] for id in splits if splits[id] == part} for part in ("train", "test")}
        own = {group[id] for id in plan.tested[side]}
        assert len(own) == 24
        assert own == fields[side]["train"] & fields[side]["test"]
    assert fields["a"]["test"] == fields["b"]["test"]
    assert not set(plan.tested["a"]) & set(plan.tested["b"])
    strata = [sorted(table["stratum"][list(plan.neighbours[side])]) for side in ("a", "b")]
    assert strata[0] == strata[1]
    assert len(fields["a"]["train"]) == len(fields["b"]["train"])


def test_more_pairs_than_there_are_is_an_error(tool: ModuleType, table: pd.DataFrame):
    with pytest.raises(SystemExit, match="only 48 pairs"):
        tool.make_plan(table, pairs=49)


def records(found: list[int]) -> pd.DataFrame:
    """Of tiles with ten objects each, of which so many were found at every threshold, and nothing else."""
    ids = [f"{number:02}" for number in range(len(found))]
    columns = {f"tp{threshold}": found for threshold in range(50, 100, 5)}
    told = {"group": [f"field-{id}" for id in ids], "true": 10, "predicted": 10, **columns}
    return pd.DataFrame(told, index=pd.Index(ids, name="id"))


def test_the_gain_is_that_of_neighbours_and_not_of_the_better_side(tool: ModuleType, tmp_path: Path):
    # either side finds more where it knows neighbours, a of the first six tiles, b of the others; b finds more of all
    seeds = [
        {"a": records([7, 8] * 3 + [5] * 6), "b": records([6] * 6 + [8, 9] * 3)},
        {"a": records([7, 8] * 3 + [6] * 6), "b": records([6] * 6 + [8, 9] * 3)},
    ]
    ids = list(seeds[0]["a"].index)
    found = tool.compare(seeds, {"a": ids[:6], "b": ids[6:]})
    assert (found["images"], found["groups"]) == (12, 12)
    told = found["metrics"][AP]
    ap = {tp: tp / (20 - tp) for tp in range(5, 10)}
    assert told["with"] == pytest.approx([(ap[7] + 2 * ap[8] + ap[9]) / 4] * 2, abs=1e-4)
    assert told["without"] == pytest.approx([(ap[6] + ap[5]) / 2, ap[6]], abs=1e-4)
    score, low, high = told["gain"]
    assert score == pytest.approx(sum(told["with"]) / 2 - sum(told["without"]) / 2, abs=1e-3)
    assert 0 < low < score < high
    settings = {"method": "unet", "training": {"steps": 9, "batch": 2, "patch_px": 64}}
    tool.write({"settings": settings, "seeds": [0, 1], "trained_on": 5, "neighbours": 2, **found}, tmp_path)
    assert json.loads((tmp_path / "dsb2018.json").read_text())["metrics"][AP] == told
    text = (tmp_path / "dsb2018.md").read_text()
    assert f"| {score:+.3f} [{low:+.3f}, {high:+.3f}] |" in text
