"""Does restoring help what comes after? Objects found in noisy, restored and clean images; write reports/restoration.

usage: python tools/does_it_help.py MODEL... [--segmenter stardist-dsb2018]

MODEL: packages, shipped ids or `baseline:<name>@<version>` that restore; baselines are tuned on the validation split.
Their images of the test split of dsb2018-noisy go to the segmenter, as its author set it, and what it finds is compared
with the labels of dsb2018. By level of light: mean per-image AP, with the paired 95 % interval of the difference to the
noisy images, fields resampled.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import zooscope
from zooscope import tune
from zooscope.atomic import write_text
from zooscope.contender import contender
from zooscope.data import Dataset, load_dataset
from zooscope.metrics import find_metric, measure
from zooscope.progress import track
from zooscope.runkey import digest_of
from zooscope.sample import Sample, Task
from zooscope.stats import GroupBootstrap

REPORTS = Path(__file__).parents[1] / "reports" / "restoration"
METRICS = ("ap50.per-image@1", "ap.per-image@1")
Restore = Callable[[xr.DataArray], NDArray[np.float32]]


@contextmanager
def restorer(model: str, data: Dataset) -> Iterator[tuple[str, Restore]]:
    """Name, and image -> restored image."""
    found = contender(model, task=Task.RESTORATION)
    if found.open is None or found.decode is None:
        raise SystemExit(f"{model}: {found.reason}")
    decode = found.decode
    with found.open() as predictor:
        params, validation = dict(found.params), data.only("validation")
        if found.search:
            key = digest_of(found.digest, tune.plan(found, validation))
            params |= tune.tune(found, predictor, validation, key=key, task=Task.RESTORATION)[0]
        yield found.name, lambda image: decode(predictor.maps(image), image.shape, **params)[0]


def measured(models: list[str], segmenter: str) -> dict[str, Any]:
    """Figures by level, and images."""
    noisy, labelled = load_dataset("dsb2018-noisy"), load_dataset("dsb2018")
    model = zooscope.load_model(segmenter)

    def found(image: NDArray[Any], sample: Sample) -> Mapping[str, float]:
        truth = labelled[sample.id.rpartition("-photons-")[0]].target
        return measure(model.predict(image), truth)

    test = noisy.only("test")
    records: dict[str, list[Mapping[str, float]]] = {
        "noisy": [found(sample.image.values, sample) for sample in track(test, "noisy", len(test), show=True)],
        "clean": [found(sample.target, sample) for sample in track(test, "clean", len(test), show=True)],
    }
    for name in models:
        with restorer(name, noisy) as (title, restore):
            shown = track(test, title, len(test), show=True)
            records[title] = [found(restore(sample.image), sample) for sample in shown]
    levels = test.table.loc[test.ids, "stratum"].to_numpy()
    groups = test.table.loc[test.ids, "group"].to_numpy()
    return {
        "segmenter": segmenter,
        "images": len(test),
        "levels": {level: _level(records, levels == level, groups) for level in sorted(set(levels))},
    }


def _level(records: Mapping[str, Any], here: NDArray[np.bool_], groups: NDArray[Any]) -> dict[str, Any]:
    bootstrap = GroupBootstrap(list(groups[here]))
    columns = {name: _columns(np.array(rows, dtype=object)[here]) for name, rows in records.items()}
    told: dict[str, Any] = {}
    for name, rows in columns.items():
        told[name] = {}
        for metric in map(find_metric, METRICS):
            gain = bootstrap.difference(metric, rows, columns["noisy"])
            told[name][metric.name] = {
                "score": round(metric.reduce(rows), 4),
                "gain": [round(float(value), 4) for value in (gain.score, gain.low, gain.high) if value is not None],
            }
    return told


def _columns(rows: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    return {key: np.array([row[key] for row in rows], dtype=np.float64) for key in rows[0]}


def write(figures: Mapping[str, Any]) -> None:
    """JSON, and the same as a table."""
    lines = [
        "# Does restoring help what comes after?",
        "",
        f"`{figures['segmenter']}` on {figures['images']} test images of `dsb2018-noisy`, noisy, restored and clean; "
        "AP at IoU 0.5, mean of the images, and what is gained over the noisy images, with its paired 95 % interval.",
        "",
        "| light | image | AP50 | gained | AP .5-.95 | gained |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for level, models in figures["levels"].items():
        for name, scores in models.items():
            cells = [f"{scores[metric]['score']:.3f} | {_gain(scores[metric]['gain'])}" for metric in METRICS]
            lines.append(f"| {level} | {name} | {' | '.join(cells)} |")
    write_text(REPORTS / "does-it-help.json", json.dumps(figures, indent=1) + "\n")
    write_text(REPORTS / "does-it-help.md", "\n".join(lines) + "\n")


def _gain(gain: list[float]) -> str:
    if not any(gain):
        return ""
    score, *ends = gain
    return f"{score:+.3f}" + (f" [{ends[0]:+.3f}, {ends[1]:+.3f}]" if ends else "")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--segmenter", default="stardist-dsb2018")
    arguments = parser.parse_args()
    write(measured(arguments.models, arguments.segmenter))
