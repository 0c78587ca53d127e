"""Simulate how often 95 % intervals hold the true score, for groups as our data sets have them; write two reports.

usage: python tools/interval_coverage.py [--repetitions 5000]      (about five minutes on one core)

Writes reports/statistics/coverage.json and coverage.md. A population of groups is fitted to the committed rows of six
models on dsb2018's test split; test sets are drawn from it again and again, and every interval of `zooscope.stats` is
asked whether it holds the population's score. Ranks are asked the same.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from zooscope.atomic import write_text
from zooscope.data import load_dataset
from zooscope.metrics.metric import ratio
from zooscope.stats import INTERVAL, INTERVALS, RESAMPLES, GroupBootstrap, ranks_of
from zooscope.store import Results

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "reports" / "statistics"
MODELS = (
    "stardist-dsb2018",
    "unet-dsb2018",
    "nuclei-tiny",
    "baseline-otsu-watershed",
    "baseline-local-threshold",
    "unet2d-nuclei-broad-v0.5",
)
STATISTICS = ("AP50 per image", "AP50 pooled", "difference per image", "difference pooled")
JITTER = 0.25
"""Drawn groups differ from the real ones by this share of the standard deviation between groups."""
BLOCK = 50
"""Test sets simulated at once."""

Array = NDArray[np.float64]
Sizes = Callable[[np.random.Generator], NDArray[np.int64]]


@dataclass(frozen=True)
class Population:
    """Groups of images as the real rows show them, of which any number can be drawn.

    An image is described by the log of its number of objects and, for each model, by the logit of the share found at
    IoU 0.5 and the log of false objects a true one: 1 + 2 models columns.

    Attributes
    ----------
    centres : (real groups, columns), the groups' mean number of objects, and rates over all their objects.
    spread : (columns, columns), covariance of the images of a group around its mean, without the noise of counting.
    limits : (2, columns), lowest and highest of all real images.
    sizes : (real groups,), images in each.
    """

    centres: Array
    spread: Array
    limits: Array
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[pd.DataFrame]) -> "Population":
        """Fitted to rows of several models on the same images."""
        groups, index = np.unique(rows[0]["group"], return_inverse=True)
        images, noise = _described(rows)
        means = np.array([images[index == group].mean(axis=0) for group in range(len(groups))])
        summed = _described(
            [row.pivot_table(index="group", values=["true", "predicted", "tp50"], aggfunc="sum") for row in rows]
        )[0]
        centres = np.column_stack([means[:, 0], summed[:, 1:]])
        off = images - means[index]
        sizes = np.bincount(index)
        spread = off.T @ off / (len(images) - len(groups)) - np.diag(noise[sizes[index] > 1].mean(axis=0))
        values, vectors = np.linalg.eigh(spread)
        spread = (vectors * np.maximum(values, 0)) @ vectors.T
        return cls(centres, spread, np.array([images.min(axis=0), images.max(axis=0)]), sizes)

    def of_models(self, models: Sequence[int]) -> "Population":
        """The same groups as some of the models see them; one named twice is two models equally good."""
        columns = [0, *(1 + 2 * model + part for model in models for part in (0, 1))]
        return Population(
            self.centres[:, columns], self.spread[np.ix_(columns, columns)], self.limits[:, columns], self.sizes
        )

    def draw(self, sizes: NDArray[np.int64], repetitions: int, rng: np.random.Generator) -> Array:
        """Test sets: (repetitions, models, 2, 2, groups), sums of AP50's two terms, per image and pooled."""
        groups, columns = len(sizes), self.centres.shape[1]
        centres = self.centres[rng.integers(len(self.centres), size=(repetitions, groups))]
        centres += JITTER * self.centres.std(axis=0) * rng.standard_normal(centres.shape)
        values, vectors = np.linalg.eigh(self.spread)
        images = np.repeat(centres, sizes, axis=1)
        images += rng.standard_normal(images.shape) @ (vectors * np.sqrt(np.maximum(values, 0))).T
        images = np.clip(images, *self.limits)
        true = np.maximum(np.rint(np.exp(images[..., 0])), 1)
        terms: list[Array] = []
        for column in range(1, columns, 2):
            tp = rng.binomial(true.astype(np.int64), expit(images[..., column]))
            seen = true + rng.poisson(true * np.exp(images[..., column + 1]))
            terms += [tp / seen, np.ones_like(seen), tp.astype(np.float64), seen]
        sums = np.add.reduceat(np.stack(terms, axis=1), np.r_[0, np.cumsum(sizes)[:-1]], axis=-1)
        return sums.reshape(repetitions, -1, 2, 2, groups)

    def scores(self) -> Array:
        """(models, 2): AP50 per image and pooled, of a million images."""
        rng = np.random.default_rng(1)
        total = sum(self.draw(np.ones(20_000, np.int64), 1, rng).sum(axis=(0, -1)) for _ in range(50))
        return ratio(*np.moveaxis(np.asarray(total), -1, 0))


@dataclass(frozen=True)
class Scenario:
    """A test set to be drawn: from which population, with how many images in its groups."""

    name: str
    images: str
    population: Population
    sizes: Sizes

    def repeated(self, repetitions: int, models: Sequence[int]) -> Iterator[tuple[GroupBootstrap, Array]]:
        """Blocks of test sets: the bootstrap of their groups, and sums as `Population.draw` gives them."""
        rng = np.random.default_rng(0)
        population = self.population.of_models(models)
        bootstrap: GroupBootstrap | None = None
        for _ in range(0, repetitions, BLOCK):
            sizes = self.sizes(rng)
            bootstrap = bootstrap or GroupBootstrap([str(group) for group in range(len(sizes))])
            yield bootstrap, population.draw(sizes, BLOCK, rng)


def covered(scenario: Scenario, repetitions: int) -> Iterator[dict[str, Any]]:
    """How often each interval holds the truth, for each of `STATISTICS`: two models' scores and differences."""
    truth = scenario.population.of_models([0, 1]).scores()
    truths = np.array([*truth[0], *(truth[0] - truth[1])])
    ends: dict[str, list[Array]] = {name: [] for name in INTERVALS}
    groups = 0
    for bootstrap, sums in scenario.repeated(repetitions, [0, 1]):
        groups = bootstrap.groups
        both = [bootstrap.from_sums(ratio, sums[:, model]) for model in (0, 1)]
        for resampled in (both[0], both[0] - both[1]):
            for name, interval in INTERVALS.items():
                ends[name].append(np.array(interval(resampled, 0.95)))
    for name, found in ends.items():
        low, high = np.concatenate([np.concatenate(found[0::2], 1), np.concatenate(found[1::2], 1)], axis=2)
        for column, statistic in enumerate(STATISTICS):
            right = (low[:, column] <= truths[column]) & (truths[column] <= high[:, column])
            yield {
                "groups_of": scenario.name,
                "images": scenario.images,
                "groups": groups,
                "statistic": statistic,
                "truth": float(truths[column]),
                "interval": name,
                **_share(right),
                "too_low": float((high[:, column] < truths[column]).mean()),
                "too_high": float((low[:, column] > truths[column]).mean()),
                "width": float((high - low)[:, column].mean()),
            }


def ranked(scenario: Scenario, models: Sequence[int], repetitions: int, label: str) -> dict[str, Any]:
    """How often the intervals of all ranks hold at once, and how often no model outranks another wrongly."""
    names = np.array([MODELS[model] for model in models])
    truth = scenario.population.of_models(models).scores()[:, 0]
    truth = np.array([truth[names == name].mean() for name in names])
    better = (truth[None, :] > truth[:, None]).sum(axis=1)
    worse = (truth[None, :] < truth[:, None]).sum(axis=1)
    hold: list[bool] = []
    right: list[bool] = []
    width: list[float] = []
    groups = 0
    for bootstrap, sums in scenario.repeated(repetitions, models):
        groups = bootstrap.groups
        resampled = bootstrap.from_sums(ratio, sums[:, :, 0])
        for test_set in range(BLOCK):
            ranks = ranks_of(resampled[test_set], INTERVALS[INTERVAL])
            low, high = (np.array([getattr(rank, end) for rank in ranks], float) for end in ("low", "high"))
            hold.append(bool((low <= 1 + better).all() and (high >= len(models) - worse).all()))
            right.append(all(rank.rank <= 1 + count for rank, count in zip(ranks, better, strict=True)))
            width.append(float((high - low).mean()))
    return {
        "groups_of": scenario.name,
        "images": scenario.images,
        "groups": groups,
        "models": label,
        **_share(np.array(hold)),
        "ranks_without_a_false_claim": float(np.mean(right)),
        "places_wide": float(np.mean(width)) + 1,
    }


def scenarios() -> list[Scenario]:
    """The real data sets' groups, and numbers of groups with sizes drawn from the real ones."""
    rows = _rows()
    parts = {
        "all": Population.of(rows),
        "fluorescence": Population.of([row.loc[row["stratum"].str.startswith("fluorescence")] for row in rows]),
    }
    demo = load_dataset("demo").only("test")
    demo_sizes = np.unique([sample.group for sample in demo], return_counts=True)[1]
    found = [
        Scenario("dsb2018 test", "all", parts["all"], _fixed(parts["all"].sizes)),
        Scenario(
            "dsb2018 test, fluorescence", "fluorescence", parts["fluorescence"], _fixed(parts["fluorescence"].sizes)
        ),
        Scenario("demo test", "all", parts["all"], _fixed(demo_sizes)),
    ]
    for groups in (10, 20, 40, 100, 200):
        found += [Scenario(f"{groups} drawn", name, part, _drawn(part.sizes, groups)) for name, part in parts.items()]
    return found


def main() -> None:
    """Write both reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5000)
    repetitions = parser.parse_args().repetitions
    every = scenarios()
    found = {
        "resamples": RESAMPLES,
        "shown": INTERVAL,
        "models": MODELS,
        "intervals": [line for scenario in every for line in covered(scenario, repetitions)],
        "ranks": [
            ranked(scenario, models, repetitions // 5, label)
            for scenario in every
            if scenario.name in ("dsb2018 test", "dsb2018 test, fluorescence", "demo test", "100 drawn")
            for models, label in ((range(6), "six, as they are"), ([0] * 6, "six, equally good"))
        ],
    }
    write_text(FOLDER / "coverage.json", json.dumps(found, indent=1) + "\n")
    write_text(FOLDER / "coverage.md", page(found))


def page(found: dict[str, Any]) -> str:
    """The report in Markdown."""
    lines = [
        "# Coverage of 95 % intervals, simulated",
        "",
        "Made by `tools/interval_coverage.py`, which says how. In percent, ± the standard error of the simulation; 95",
        "would be right. Test sets have the groups of the data set named, or so many with numbers of images drawn from",
        f"dsb2018's; {found['resamples']:,} resamples. The leaderboard shows `{found['shown']}`.",
        "",
        f"| groups of | images | groups | statistic | {' | '.join(INTERVALS)} |",
        "|---|---|---:|---|" + "---:|" * len(INTERVALS),
    ]
    table: dict[tuple[Any, ...], dict[str, str]] = {}
    for line in found["intervals"]:
        key = tuple(line[name] for name in ("groups_of", "images", "groups", "statistic"))
        table.setdefault(key, {})[line["interval"]] = _percent(line)
    for key, cells in table.items():
        lines.append(f"| {' | '.join(map(str, key))} | {' | '.join(cells[name] for name in INTERVALS)} |")
    lines += [
        "",
        "Ranks by AP50 per image. The intervals of all six ranks should hold at once; the ranks themselves compare two",
        "models at a time and promise less: the last column says how often none of them stood behind another wrongly.",
        "",
        "| groups of | images | groups | models | all intervals hold | places wide | ranks all fair |",
        "|---|---|---:|---|---:|---:|---:|",
    ]
    for line in found["ranks"]:
        head = " | ".join(str(line[name]) for name in ("groups_of", "images", "groups", "models"))
        fair = 100 * line["ranks_without_a_false_claim"]
        lines.append(f"| {head} | {_percent(line)} | {line['places_wide']:.1f} | {fair:.1f} |")
    return "\n".join(lines) + "\n"


def _rows() -> list[pd.DataFrame]:
    """Records of each model's newest row, images in the same order."""
    results = sorted(Results(ROOT / "reports").all(dataset="dsb2018@1", split="test"), key=lambda r: r.run["created"])
    newest = {result.run["model"]["name"]: result for result in results if not result.failed}
    return [newest[name].images.sort_index() for name in MODELS]


def _described(rows: Sequence[pd.DataFrame]) -> tuple[Array, Array]:
    """Images (or groups) as `Population` describes them, and the variance that counting alone gives each number."""
    true = rows[0]["true"].to_numpy(np.float64)
    values, noise = [np.log(true)], [1 / true]
    for row in rows:
        tp, predicted = (row[name].to_numpy(np.float64) for name in ("tp50", "predicted"))
        missed, false = true - tp, predicted - tp
        values += [logit((tp + 0.5) / (true + 1)), np.log((false + 0.5) / (true + 1))]
        noise += [1 / (tp + 0.5) + 1 / (missed + 0.5), 1 / (false + 0.5)]
    return np.stack(values, axis=1), np.stack(noise, axis=1)


def _fixed(sizes: NDArray[np.int64]) -> Sizes:
    return lambda rng: sizes


def _drawn(sizes: NDArray[np.int64], groups: int) -> Sizes:
    return lambda rng: rng.choice(sizes, groups)


def _share(right: NDArray[np.bool_]) -> dict[str, float]:
    share = float(right.mean())
    return {
        "covers": share,
        "standard_error": float(np.sqrt(share * (1 - share) / len(right))),
        "repetitions": len(right),
    }


def _percent(line: dict[str, Any]) -> str:
    return f"{100 * line['covers']:.1f} ± {100 * line['standard_error']:.1f}"


if __name__ == "__main__":
    main()
