"""The simulation of coverage: its populations look like the real rows, and its reports say what the code does."""

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from zooscope.metrics.metric import ratio
from zooscope.stats import INTERVAL

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def committed() -> dict:
    return json.loads((ROOT / "reports" / "statistics" / "coverage.json").read_text(encoding="utf-8"))


def test_simulated_test_sets_score_and_scatter_like_the_real_one(tool: ModuleType) -> None:
    rows = tool._rows()
    fluorescence = [row[row["stratum"].str.startswith("fluorescence")] for row in rows]
    for part in (rows, fluorescence):
        population = tool.Population.of(part)
        assert (len(population.sizes), population.sizes.sum()) == (part[0]["group"].nunique(), len(part[0]))
        images = population.draw(np.ones(20_000, np.int64), 1, np.random.default_rng(0))[0, :, 0, 0]
        real = np.array([row["tp50"] / (row["true"] + row["predicted"] - row["tp50"]) for row in part])
        np.testing.assert_allclose(images.mean(axis=1), real.mean(axis=1), atol=0.07)
        np.testing.assert_allclose(images.std(axis=1), real.std(axis=1), rtol=0.3)


def test_images_of_a_simulated_group_are_alike(tool: ModuleType) -> None:
    population = tool.Population.of(tool._rows())
    alone, pairs = (
        ratio(*np.moveaxis(population.draw(np.full(5000, size), 1, np.random.default_rng(0))[0, :, 0], 1, 0)).std(
            axis=1
        )
        for size in (1, 2)
    )
    assert (pairs / alone > 0.9).all(), "independent images would scatter sqrt(1/2) times as much"


def test_the_committed_page_tells_the_committed_numbers(tool: ModuleType, committed: dict) -> None:
    assert tool.page(committed) == (ROOT / "reports" / "statistics" / "coverage.md").read_text(encoding="utf-8")


def test_the_leaderboard_shows_the_interval_that_covered_best(committed: dict) -> None:
    assert committed["shown"] == INTERVAL
    off: dict[str, list[float]] = {}
    for line in committed["intervals"]:
        if "per image" in line["statistic"]:
            off.setdefault(line["interval"], []).append(abs(line["covers"] - 0.95))
    assert min(off, key=lambda name: float(np.mean(off[name]))) == INTERVAL


def test_at_a_hundred_groups_what_ranks_covers_93_to_97_percent(committed: dict) -> None:
    found = [
        line["covers"]
        for line in committed["intervals"]
        if line["groups"] >= 100 and line["interval"] == INTERVAL and "per image" in line["statistic"]
    ]
    assert len(found) == 8
    assert all(0.93 <= covers <= 0.97 for covers in found)


def test_the_docs_tell_the_committed_numbers(committed: dict) -> None:
    names = {
        "demo test, 10": ("demo test", "all", "AP50 per image"),
        "dsb2018 fluorescence, 34": ("dsb2018 test, fluorescence", "fluorescence", "AP50 per image"),
        "dsb2018 test, 40": ("dsb2018 test", "all", "AP50 per image"),
        "100 drawn from dsb2018": ("100 drawn", "all", "AP50 per image"),
        "200 drawn from dsb2018": ("200 drawn", "all", "AP50 per image"),
        "a paired difference, dsb2018 test, 40": ("dsb2018 test", "all", "difference per image"),
    }
    told = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    for label, key in names.items():
        found = {
            line["interval"]: 100 * line["covers"]
            for line in committed["intervals"]
            if (line["groups_of"], line["images"], line["statistic"]) == key
        }
        percentile, expanded, bca = (found[name] for name in ("percentile", "expanded-percentile", "bca"))
        assert f"| {label} | {percentile:.1f} | **{expanded:.1f}** | {bca:.1f} |" in told


def test_a_few_repetitions_run_through(tool: ModuleType) -> None:
    scenario = next(scenario for scenario in tool.scenarios() if scenario.name == "demo test")
    lines = list(tool.covered(scenario, 50))
    assert {line["groups"] for line in lines} == {10}
    assert len(lines) == 12
    assert all(line["covers"] + line["too_low"] + line["too_high"] == pytest.approx(1) for line in lines)
    ranks = tool.ranked(scenario, [0, 0], 50, "two")
    assert ranks["covers"] > 0.8
    assert 1 <= ranks["places_wide"] <= 2
