"""Train a method as long as its upstream was and rank it beside upstream's figures; write reports/equal-minutes.

usage: python tools/equal_minutes.py WORK METHOD [--steps N]

Upstream's figures were measured once, on two cores and this split. WORK keeps the run, its package and its row; what
was measured of the other method stays in the report. On a machine of another speed `--steps` brings the minutes to
upstream's.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import zooscope
from zooscope.atomic import write_text
from zooscope_zoo.packaging.export import export
from zooscope_zoo.packaging.trained import read_run
from zooscope_zoo.train import train
from zooscope_zoo.training.run_folder import RunFolder

REPORT = Path(__file__).parents[1] / "reports" / "equal-minutes.json"
METRICS = ("ap50.per-image@1", "ap75.per-image@1")
SUBSET = "fluorescence"


@dataclass(frozen=True)
class Upstream:
    """What upstream's own code reached.

    Attributes
    ----------
    scores : mean per-image AP at IoU 0.5 and 0.75 on the fluorescence images of the test split.
    """

    name: str
    minutes: float
    scores: tuple[float, float]


@dataclass(frozen=True)
class Trial:
    """Our training that is to take as long, on two cores of 0.5 s a step."""

    upstream: Upstream
    steps: int
    changes: tuple[str, ...]


TRIALS = {
    "stardist": Trial(
        Upstream("StarDist 0.9.2, grid 2, 3,098 steps, thresholds tuned", 25, (0.829, 0.520)),
        2600,
        ("augment.zoom=[0.6, 1.6]", "training.patch_px=192", "training.validate_every=260"),
    ),
    "cellpose": Trial(
        Upstream("Cellpose 3.1 from scratch, with its size model, default thresholds", 24, (0.837, 0.711)),
        2300,
        ("augment.diameter_px=20", "training.patch_px=160", "training.validate_every=230"),
    ),
}


def measure(work: Path, method: str, steps: int) -> dict[str, Any]:
    """Train, export, rank; return the figures."""
    trial, run = TRIALS[method], RunFolder(work / method)
    if not run.finished:
        changes = ["training.strata=fluorescence-*", "training.seed=0", f"training.steps={steps}", *trial.changes]
        train(method, ["dsb2018"], run.path, changes=changes, resume=run.started)
    package = work / f"{method}.zip"
    if not package.is_file():
        export(run.path, package, progress=True)
    table = zooscope.evaluate(package, "dsb2018", reports=work / "reports")
    chosen = table[table["subset"] == SUBSET]
    scores = dict(zip(chosen["metric"], chosen["score"], strict=True))
    curves = read_run(run.path).curves
    assert curves is not None
    return {
        "steps": int(curves["step"].iloc[-1]),
        "minutes": round(float(curves["seconds"].iloc[-1]) / 60, 1),
        "changes": list(trial.changes),
        "scores": [round(float(scores[metric]), 4) for metric in METRICS],
        "upstream": asdict(trial.upstream),
    }


def report(found: Mapping[str, Any]) -> str:
    """Markdown."""
    rows: list[str] = []
    for method, ours in found.items():
        theirs = ours["upstream"]
        for name, minutes, (ap50, ap75) in (
            (f"`{method}`, {ours['steps']:,} steps", ours["minutes"], ours["scores"]),
            (theirs["name"], theirs["minutes"], theirs["scores"]),
        ):
            rows.append(f"| {name} | {minutes:g} | {ap50:.3f} | {ap75:.3f} |")
    return "\n".join(
        [
            "# Beside upstream in equal minutes",
            "",
            "Mean per-image AP on the fluorescence images of DSB 2018's test split, 81 images, after training on the "
            "split's training images for about as many minutes on two cores, one seed each. Upstream's figures were "
            "measured once, on a machine that need not have been as fast; ours by `python tools/equal_minutes.py`, "
            "with decoders tuned on validation images. Minutes are of the training, with its validations.",
            "",
            "| | minutes | AP50 | AP75 |",
            "|---|---:|---:|---:|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK")
    parser.add_argument("method", choices=TRIALS)
    parser.add_argument("--steps", type=int)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    found = json.loads(REPORT.read_text()) if REPORT.is_file() else {}
    found[given.method] = measure(given.work, given.method, given.steps or TRIALS[given.method].steps)
    found = {method: found[method] for method in TRIALS if method in found}
    write_text(REPORT, json.dumps(found, indent=1) + "\n")
    write_text(REPORT.with_suffix(".md"), report(found))
    print(report(found))


if __name__ == "__main__":
    main()
