"""What neighbouring tiles in training add to a score, measured on DSB 2018; write reports/leak.

usage: python tools/dsb2018_leak.py RUNS [--stage data|train|score] [--method unet-watershed] [--seeds 0,1,2] [--side a]
                                         [--pairs 24] [--set training.steps=6000 ...]

Fluorescence fields of several tiles are paired, both of one stratum and with as many tiles, and of each field a quarter
of the tiles, at least one, is tested. Two networks are trained on as many images each: a on the other tiles of the
first fields of all pairs, b on those of the second fields, both on all fields that are in no pair. So the same test
tiles are scored with and without their neighbours in training, by networks that are as good as each other: what one
seed or side happens to do better cancels. Fields come from the train and the test split together, as a random split
mixes them; the networks serve for nothing else. The validation split, of which nothing is trained on or tested, chooses
weights and decoder parameters.

Stages can run on different machines: `data` makes RUNS/data, `train` the runs (several processes share a GPU with one
`--seeds` and `--side` each), `score` reads config.json, about.json, curves.csv and best.safetensors of all. RUNS keeps
what is finished: the same command goes on.
"""

import argparse
import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooscope.atomic import write_text
from zooscope.cache import locked
from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope.metrics import find_metric
from zooscope.metrics.metric import Records
from zooscope.rows import plan_rows, run_row
from zooscope.stats import INTERVAL, INTERVALS, LEVEL, GroupBootstrap, Resampled
from zooscope.store import Results
from zooscope_zoo.packaging.export import drafted
from zooscope_zoo.packaging.formats import make_formats
from zooscope_zoo.packaging.trained import read_run
from zooscope_zoo.train import train
from zooscope_zoo.training.run_folder import RunFolder

REPORTS = Path(__file__).parents[1] / "reports" / "leak"
SIDES = ("a", "b")
METRICS = ("ap50.per-image@1", "ap75.per-image@1", "ap.per-image@1")
TITLES = ("AP50", "AP75", "AP .5-.95")


@dataclass(frozen=True)
class Plan:
    """Ids of what is tested, of the tiles that are trained on by one side alone, and of all that both train on."""

    tested: Mapping[str, tuple[str, ...]]
    neighbours: Mapping[str, tuple[str, ...]]
    common: tuple[str, ...]

    def splits(self, side: str) -> dict[str, str]:
        """Split of each image of that side's data set; the validation split is not part of the plan."""
        test = dict.fromkeys(itertools.chain(*self.tested.values()), "test")
        return {**test, **dict.fromkeys((*self.common, *self.neighbours[side]), "train")}


def make_plan(table: pd.DataFrame, *, pairs: int) -> Plan:
    """Pairs of fields and their tiles, all in the order of a hash.

    Parameters
    ----------
    table : indexed by id: group, stratum, split.
    """
    pool = table[table["stratum"].str.startswith("fluorescence-") & table["split"].isin(["train", "test"])]
    fields: dict[tuple[str, int], list[list[str]]] = defaultdict(list)
    by_field: dict[tuple[str, str], list[str]] = defaultdict(list)
    for id, stratum, group in zip(map(str, pool.index), pool["stratum"], pool["group"], strict=True):
        by_field[stratum, group].append(id)
    for (stratum, _), tiles in by_field.items():
        if len(tiles) > 1:
            fields[stratum, len(tiles)].append(sorted(tiles, key=_hash))
    found: list[tuple[list[str], list[str]]] = []
    for alike in fields.values():
        alike.sort(key=lambda tiles: _hash(tiles[0]))
        found += zip(alike[0::2], alike[1::2], strict=False)
    found.sort(key=lambda pair: _hash(pair[0][0]))
    if len(found) < pairs:
        raise SystemExit(f"--pairs {pairs}: only {len(found)} pairs of fields are alike")
    tested: dict[str, tuple[str, ...]] = {}
    neighbours: dict[str, tuple[str, ...]] = {}
    for number, side in enumerate(SIDES):
        cut = [(max(1, len(pair[number]) // 4), pair[number]) for pair in found[:pairs]]
        tested[side] = tuple(itertools.chain(*(tiles[:count] for count, tiles in cut)))
        neighbours[side] = tuple(itertools.chain(*(tiles[count:] for count, tiles in cut)))
    taken = {*itertools.chain(*tested.values(), *neighbours.values())}
    return Plan(tested, neighbours, tuple(str(id) for id in pool.index if id not in taken))


def side_data(runs: Path, side: str, *, pairs: int, source: str = "dsb2018") -> Path:
    """Folder of a side's data set, made where it is not there yet."""
    folder = runs / "data" / f"leak-{side}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent):
        if not folder.is_dir():
            whole = load_dataset(source)
            splits = make_plan(whole.table, pairs=pairs).splits(side)
            for id, stratum in whole.only("validation").table["stratum"].items():
                if str(stratum).startswith("fluorescence-"):
                    splits[str(id)] = "validation"
            write_folder(folder, ((whole[id], split) for id, split in sorted(splits.items())))
    return folder


def run_folder(runs: Path, method: str, side: str, seed: int) -> RunFolder:
    """Where one training lies."""
    return RunFolder(runs / f"{method}-{side}-{seed}")


def train_side(run: RunFolder, method: str, data: Path, *, seed: int, changes: Sequence[str]) -> None:
    """Train, or go on."""
    if not run.finished:
        train(method, [data], run.path, changes=[*changes, f"training.seed={seed}"], resume=run.started)


def score_side(run: RunFolder, data: Dataset, *, reports: Path, device: str) -> pd.DataFrame:
    """Records of the tested tiles, indexed by id; the decoder is tuned on the validation split."""
    if not run.finished:
        raise SystemExit(f"{run.path}: not trained to its end; --stage train goes on")
    begun = run.about()["data"][0]
    if begun["digest"] != data.digest:
        raise SystemExit(f"{run.path}: trained on other images than {data.folder} holds (--pairs?)")
    trained = read_run(run.path)
    with drafted(trained, make_formats(trained)) as draft:
        [row] = plan_rows([str(draft)], data, decoder=trained.decoder, device=device)
        result = run_row(row, Results(reports), progress=True)
    if result.failed:
        raise SystemExit(f"{run.path}: {result.run['reason']}")
    return result.images.sort_index()


def compare(scored: Sequence[Mapping[str, pd.DataFrame]], own: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Scores with and without neighbours in training, and what they differ by.

    Parameters
    ----------
    scored : of each seed and side, the records of all tested tiles, in one order.
    own : of each side, the tested tiles whose neighbours it was trained on.
    """
    tiles = scored[0]["a"]
    of_a = tiles.index.isin(list(own["a"]))
    bootstrap = GroupBootstrap(list(tiles["group"]))
    seeds = [(_mixed(one["a"], one["b"], of_a), _mixed(one["b"], one["a"], of_a)) for one in scored]
    found: dict[str, Any] = {"images": bootstrap.images, "groups": bootstrap.groups, "metrics": {}}
    for metric in map(find_metric, METRICS):
        each = [bootstrap.resampled(metric, near) - bootstrap.resampled(metric, far) for near, far in seeds]
        gain = Resampled.stack(each).mean()
        low, high = INTERVALS[INTERVAL](gain, LEVEL)
        told = {
            "with": [metric.reduce(near) for near, _ in seeds],
            "without": [metric.reduce(far) for _, far in seeds],
            "gain": [float(gain.score), float(low), float(high)],
        }
        found["metrics"][metric.name] = {name: [round(value, 4) for value in values] for name, values in told.items()}
    return found


def settings_of(runs: Iterable[RunFolder]) -> dict[str, Any]:
    """What all runs were trained with, but for the seed; SystemExit where they differ."""
    found = [run.config().model_dump(mode="json", exclude={"datasets": True, "training": {"seed"}}) for run in runs]
    if any(one != found[0] for one in found):
        raise SystemExit("the runs were trained with different settings; train them alike, into another folder")
    return found[0]


def write(figures: Mapping[str, Any], folder: Path = REPORTS) -> None:
    """JSON, and the same as a table."""
    training, count = figures["settings"]["training"], len(figures["seeds"])
    lines = [
        "# The leak of neighbouring tiles, measured on DSB 2018",
        "",
        f"`{figures['settings']['method']}` on {figures['images']} tiles of {figures['groups']} fluorescence fields. "
        "Each is scored by a network that was trained on other tiles of its field, and by one that was not. Both were "
        f"trained on {figures['trained_on']} images, {figures['neighbours']} of them such neighbours of tested tiles, "
        f"in {training['steps']} steps of {training['batch']} patches of {training['patch_px']} px. "
        "`python tools/dsb2018_leak.py --help` says how tiles are drawn.",
        "",
        f"{f'Mean of {count} seeds' if count > 1 else 'One seed'}; the gain has its paired 95 % interval, fields "
        "resampled.",
        "",
        "| per image | with neighbours | without | gain | gain of each seed |",
        "|---|---:|---:|---:|---:|",
    ]
    for title, metric in zip(TITLES, METRICS, strict=True):
        told = figures["metrics"][metric]
        score, low, high = told["gain"]
        each = ", ".join(f"{near - far:+.3f}" for near, far in zip(told["with"], told["without"], strict=True))
        means = f"{np.mean(told['with']):.3f} | {np.mean(told['without']):.3f}"
        lines.append(f"| {title} | {means} | {score:+.3f} [{low:+.3f}, {high:+.3f}] | {each} |")
    write_text(folder / "dsb2018.json", json.dumps(figures, indent=1) + "\n")
    write_text(folder / "dsb2018.md", "\n".join(lines) + "\n")


def _mixed(first: pd.DataFrame, second: pd.DataFrame, of_first: NDArray[np.bool_]) -> Records:
    """Records of some tiles from one table, of the others from the other."""
    columns = first.select_dtypes("number").columns
    return {name: np.where(of_first, first[name], second[name]).astype(np.float64) for name in columns}


def _hash(id: str) -> str:
    return hashlib.sha256(f"dsb2018-leak:{id}".encode()).hexdigest()


def _seeds(text: str) -> list[int]:
    return [int(seed) for seed in text.split(",")]


def main() -> None:
    """Do the stage that is asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, metavar="RUNS")
    parser.add_argument("--stage", choices=["data", "train", "score"], help="all of them by default")
    parser.add_argument("--method", default="unet-watershed")
    parser.add_argument("--seeds", type=_seeds, default=[0, 1, 2], metavar="0,1,2")
    parser.add_argument("--side", choices=SIDES, help="train this one alone")
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--device", default="auto", help="to score on; training takes a GPU where there is one")
    parser.add_argument("--reports", type=Path, default=REPORTS)
    given = parser.parse_args()
    runs: Path = given.runs
    folders = {side: side_data(runs, side, pairs=given.pairs) for side in SIDES}
    if given.stage in (None, "train"):
        for seed, side in itertools.product(given.seeds, [given.side] if given.side else SIDES):
            run = run_folder(runs, given.method, side, seed)
            train_side(run, given.method, folders[side], seed=seed, changes=given.changes)
    if given.stage in (None, "score"):
        loaded = {side: load_dataset(folder) for side, folder in folders.items()}
        trained = {(seed, side): run_folder(runs, given.method, side, seed) for seed in given.seeds for side in SIDES}
        settings = settings_of(trained.values())
        scored = {
            (seed, side): score_side(run, loaded[side], reports=runs / "reports", device=given.device)
            for (seed, side), run in trained.items()
        }
        learned = {side: set(data.only("train").ids) for side, data in loaded.items()}
        about = {
            "settings": settings,
            "seeds": given.seeds,
            "trained_on": len(learned["a"]),
            "neighbours": len(learned["a"] - learned["b"]),
        }
        by_seed = [{side: scored[seed, side] for side in SIDES} for seed in given.seeds]
        write({**about, **compare(by_seed, {side: data.leaks() for side, data in loaded.items()})}, given.reports)


if __name__ == "__main__":
    main()
