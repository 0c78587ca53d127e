"""What denoising gains DenoiSeg where few images have labels; write reports/denoiseg.

usage: python tools/denoiseg_gain.py RUNS [--stage train|score] [--draw 0 ...] [--variant joint|alone] [--steps 6000]
                                          [--labelled 10] [--labelled-px 128] [--draws 5]
                                          [--set training.batch=16 ...]

For each draw of the labelled images one network with alpha = 0.5 (joint), which also learns from the images without
labels, and one with alpha = 0 (alone), which cannot; all else is the same: labelled images, steps, batch, validation
images. With `--labelled-px 128` only a square of each labelled image is seen, as small as the paper's images. Each
network is exported, and ranked on the test split by the harness.

`--stage train --draw 3 --variant joint` trains one network, so that several processes can share a GPU. `--stage score`
reads config.json, about.json, curves.csv and best.safetensors of all, also elsewhere. RUNS keeps runs, packages and
scores: the same command goes on.
"""

import argparse
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import zooscope
from zooscope import plugins
from zooscope.atomic import write_text
from zooscope.data import load_dataset
from zooscope_zoo.packaging.export import export
from zooscope_zoo.train import settled, train
from zooscope_zoo.training.config import make_config
from zooscope_zoo.training.run_folder import RunFolder

REPORTS = Path(__file__).parents[1] / "reports" / "denoiseg"
ALPHAS = {"joint": 0.5, "alone": 0.0}
SQUARE = "training.labelled_px="
METRICS = {"AP50": "ap50.per-image@1", "AP75": "ap75.per-image@1", "AP .5 to .95": "ap.per-image@1"}


def run_folder(runs: Path, draw: int, variant: str) -> RunFolder:
    """Where one network lies."""
    return RunFolder(runs / f"draw-{draw}-{variant}")


def settings_of(draw: int, variant: str, *, labelled: int, changes: Sequence[str]) -> list[str]:
    """Changes of one network's settings."""
    own = [f"training.labelled={labelled}", f"training.seed={draw}", f"network.alpha={ALPHAS[variant]:g}"]
    return [*changes, *own]


def train_one(run: RunFolder, data: str, changes: Sequence[str]) -> None:
    """Train a network, or go on."""
    if not run.finished:
        train("denoiseg", [data], run.path, changes=changes, resume=run.started)


def score(run: RunFolder, data: str, changes: Sequence[str], *, device: str = "auto") -> dict[str, Any]:
    """Scores of one network on the test split; its package is made where it is not there yet."""
    package, done = (run.path.parent / f"{run.path.name}{suffix}" for suffix in (".zip", ".json"))
    if done.is_file():
        found = json.loads(done.read_text(encoding="utf-8"))
        if found["data"] != data or found["settings"] != list(changes):
            raise SystemExit(f"{done}: of other settings; name another folder")
        return found
    if not run.finished:
        raise SystemExit(f"{run.path}: not trained to its end; --stage train goes on")
    run.refuse_other(make_config(plugins.load("methods", "denoiseg"), [settled(data)], changes)[0], started_from=None)
    export(run.path, package, progress=True)
    table = zooscope.evaluate(package, data, device=device, progress=True, reports=run.path.parent / "reports")
    whole = table[(table["subset"] == "all") & table["metric"].isin(list(METRICS.values()))]
    scores = dict(zip(whole["metric"], map(float, whole["score"]), strict=True))
    if set(scores) != set(METRICS.values()):
        raise SystemExit(f"{package}: no row: {', '.join(str(reason) for reason in table['reason'].dropna())}")
    found = {"data": data, "settings": list(changes), "scores": scores, "labelled": run.about()["data"][0]["labelled"]}
    write_text(done, json.dumps(found, indent=1) + "\n")
    return found


def measure(
    runs: Path, data: str, *, labelled: int, draws: Sequence[int], changes: Sequence[str], device: str = "auto"
) -> dict[str, Any]:
    """Scores of all networks, by draw."""
    rows: list[dict[str, Any]] = []
    for draw in draws:
        both = {
            variant: score(
                run_folder(runs, draw, variant),
                data,
                settings_of(draw, variant, labelled=labelled, changes=changes),
                device=device,
            )
            for variant in ALPHAS
        }
        scores = {variant: found["scores"] for variant, found in both.items()}
        rows.append({"draw": draw, "labelled": both["joint"]["labelled"], **scores})
    test = load_dataset(data, split="test")
    return {"data": test.name, "images": len(test), "labelled": labelled, "settings": list(changes), "draws": rows}


def gains(figures: Mapping[str, Any], metric: str) -> list[float]:
    """Joint less alone, of each draw."""
    return [row["joint"][metric] - row["alone"][metric] for row in figures["draws"]]


def write(figures: Mapping[str, Any], folder: Path = REPORTS) -> None:
    """JSON, and the same as a table."""
    settings = ", ".join(f"`{change}`" for change in figures["settings"])
    edge = next((change.split("=")[1] for change in figures["settings"] if change.startswith(SQUARE)), None)
    labelled = f"{figures['labelled']} labelled " + (f"squares of {edge} px" if edge else "images")
    lines = [
        f"# What denoising gains with {labelled}",
        "",
        f"DenoiSeg on the {figures['images']} test images of `{figures['data']}`, mean per-image AP. Joint: alpha = "
        "0.5, the other training images without labels. Alone: alpha = 0, the same network on what is labelled. The "
        "validation images, on which both choose weights and thresholds, have labels beyond those counted.",
        "",
        f"Settings: {settings}; the draw is the seed.",
        "",
        "| draw | " + " | ".join(f"{title} joint | alone | gain" for title in METRICS) + " |",
        "|---" + "|---:" * 3 * len(METRICS) + "|",
    ]
    for row in figures["draws"]:
        cells = [_cells(row["joint"][metric], row["alone"][metric]) for metric in METRICS.values()]
        lines.append(f"| {row['draw']} | {' | '.join(cells)} |")
    means = [
        _cells(*(float(np.mean([row[part][metric] for row in figures["draws"]])) for part in ALPHAS))
        for metric in METRICS.values()
    ]
    lines.append(f"| mean | {' | '.join(means)} |")
    if len(figures["draws"]) > 1:
        spread = [f"{title} {np.std(gains(figures, metric), ddof=1):.3f}" for title, metric in METRICS.items()]
        lines += ["", f"Standard deviation of the gains over the draws: {', '.join(spread)}."]
    folder.mkdir(parents=True, exist_ok=True)
    name = f"gain-{figures['labelled']}-labelled" + (f"-{edge}px" if edge else "")
    write_text(folder / f"{name}.json", json.dumps(figures, indent=1) + "\n")
    write_text(folder / f"{name}.md", "\n".join(lines) + "\n")


def _cells(joint: float, alone: float) -> str:
    return f"{joint:.3f} | {alone:.3f} | {joint - alone:+.3f}"


def main() -> None:
    """Do the stage that is asked for, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, metavar="RUNS")
    parser.add_argument("--stage", choices=["train", "score"], help="both by default")
    parser.add_argument("--data", default="dsb2018-noise20")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--labelled", type=int, default=10)
    parser.add_argument("--labelled-px", type=int, help="edge of a square of each labelled image, instead of all of it")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--draw", type=int, action="append", help="this one instead of all; several are allowed")
    parser.add_argument("--variant", choices=list(ALPHAS), help="train this one alone")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--device", default="auto", help="to score on; training takes a GPU where there is one")
    parser.add_argument("--reports", type=Path, default=REPORTS)
    given = parser.parse_args()
    square = [f"{SQUARE}{given.labelled_px}"] if given.labelled_px else []
    changes = [f"training.steps={given.steps}", *square, *given.changes]
    draws = given.draw or list(range(given.draws))
    if given.stage in (None, "train"):
        for draw, variant in itertools.product(draws, [given.variant] if given.variant else ALPHAS):
            own = settings_of(draw, variant, labelled=given.labelled, changes=changes)
            train_one(run_folder(given.runs, draw, variant), given.data, own)
    if given.stage in (None, "score"):
        told = {"labelled": given.labelled, "draws": draws, "changes": changes, "device": given.device}
        write(measure(given.runs, given.data, **told), given.reports)


if __name__ == "__main__":
    main()
