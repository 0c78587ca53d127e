"""Which objects do models miss? Recall by kind of object, of the rows in reports/results; write reports/missed.

usage: python tools/missed_objects.py [--dataset dsb2018@1] [--strata 'fluorescence-*'] [MODEL ...]

An object is found where a predicted one overlaps it with an IoU >= 0.5. Kinds: cut by the image's border, touching
another object (8-connected), diameter of the circle of the same area in px, mean brightness between the image's
percentiles 1 and 99.8. Beside them: objects that are none, and how many of those are below 80 px. Without MODEL, every
shipped model with a row.
"""

import argparse
import fnmatch
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from zooscope import plugins
from zooscope.atomic import write_text
from zooscope.data import Dataset, load_dataset
from zooscope.metrics.matching import matches
from zooscope.metrics.overlap import Overlap
from zooscope.sample import Sample
from zooscope.store import Result, Results

REPORTS = Path(__file__).parents[1] / "reports"
SPECK_PX = 80
DIAMETERS = [0, 6, 10, 15, 20, 30, 1000]
LIGHTS = [-1, 0.1, 0.2, 0.4, 0.7, 1000]


def kinds(sample: Sample) -> pd.DataFrame:
    """True objects of a gray image, one a line, in the order of their labels."""
    labels = sample.target
    ids = np.unique(labels[labels > 0])
    image = np.asarray(sample.image.values, dtype=np.float64)
    low, high = np.percentile(image, (1, 99.8))
    diameter = 2 * np.sqrt(ndimage.sum_labels(labels > 0, labels, ids) / np.pi)
    light = (ndimage.mean(image, labels, ids) - low) / max(high - low, 1e-6)
    cut = np.isin(ids, np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return pd.DataFrame(
        {
            "all": "objects",
            "border": np.where(cut, "cut by the border", "whole"),
            "neighbours": np.where(np.isin(ids, touching(labels)), "touching another", "alone"),
            "diameter": [_between(value, DIAMETERS, "px") for value in diameter],
            "light": [_between(value, LIGHTS, "of the range") for value in light],
        }
    )


def touching(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Labels of objects that another one touches, also over a corner."""
    found = [np.zeros(0, labels.dtype)]
    height, width = labels.shape
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = labels[: height - dy, max(0, -dx) : width - max(0, dx)]
        there = labels[dy:, max(0, dx) : width - max(0, -dx)]
        both = (here != there) & (here > 0) & (there > 0)
        found += [here[both], there[both]]
    return np.unique(np.concatenate(found))


def _between(value: float, edges: Sequence[float], unit: str) -> str:
    upper = int(np.searchsorted(edges, value, side="right"))
    low, high = edges[upper - 1], edges[min(upper, len(edges) - 1)]
    if upper == 1:
        return f"below {high:g} {unit}"
    return f"{low:g} {unit} and more" if high == edges[-1] else f"{low:g} to {high:g} {unit}"


def rows(dataset: str, models: list[str]) -> dict[str, Result]:
    """The newest row of each model; SystemExit where one has none."""
    found = sorted(Results(REPORTS).all(dataset=dataset, split="test"), key=lambda row: row.run["created"])
    newest = {row.run["model"]["name"]: row for row in found if not row.failed}
    missing = sorted(set(models) - newest.keys())
    if missing:
        raise SystemExit(f"{', '.join(missing)}: no row of {dataset} in {REPORTS}; zooscope run makes one")
    return {name: newest[name] for name in models or sorted(newest.keys() & set(plugins.names("models")))}


def measured(data: Dataset, ids: list[str], found: dict[str, Result]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Share of the true objects that each model found, by kind; and what it found that is none."""
    objects, false = [], {name: np.zeros(3, dtype=int) for name in found}
    for id in ids:
        sample = data[id]
        table = kinds(sample)
        truth = np.unique(sample.target[sample.target > 0])
        for name, row in found.items():
            labels = row.prediction(id)
            if labels is None:
                raise SystemExit(f"{name}: its label image of {id} is not in {REPORTS}")
            overlap = Overlap.of(labels, sample.target)
            hit = matches(overlap)
            table[name] = np.isin(truth, truth[overlap.truth[hit]])
            area = np.bincount(labels.ravel())[1:]
            area = np.delete(area[area > 0], overlap.predicted[hit])
            false[name] += [len(area), (area < SPECK_PX).sum(), len(overlap.predicted_area)]
        objects.append(table)
    every = pd.concat(objects)
    parts = []
    for column in ("all", "border", "neighbours", "diameter", "light"):
        by = every.groupby(column, sort=False)
        part: Any = by[list(found)].mean()
        part["objects"], part["by"] = by.size(), column
        parts.append(part.sort_index(key=lambda index: index.map(_order)))
    names = ["false objects", f"of these below {SPECK_PX} px", "predicted"]
    return pd.concat(parts), pd.DataFrame(false, index=names)


def _order(name: str) -> float:
    first = name.split()[0]
    return -1.0 if first == "below" else float(first) if first.replace(".", "").isdigit() else 0.0


def report(dataset: str, strata: str, images: int, found: pd.DataFrame, false: pd.DataFrame) -> str:
    """Markdown."""
    models = list(false.columns)
    lines = [
        f"# What models miss: `{dataset}`",
        "",
        f"Share of the true objects found at IoU 0.5, in {images} test images of `{strata}`: "
        "`python tools/missed_objects.py`.",
        "",
        f"| objects | number | {' | '.join(models)} |",
        "|---|---:|" + "---:|" * len(models),
    ]
    for kind, line in found.iterrows():
        lines.append(f"| {kind} | {line['objects']} | {' | '.join(f'{line[name]:.2f}' for name in models)} |")
    for kind, line in false.iterrows():
        lines.append(f"| {kind} | | {' | '.join(str(line[name]) for name in models)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--dataset", default="dsb2018@1")
    parser.add_argument("--strata", default="fluorescence-*")
    options = parser.parse_args()
    found = rows(options.dataset, options.models)
    data = load_dataset(options.dataset.partition("@")[0], split="test")
    ids = [id for id in data.ids if fnmatch.fnmatch(str(data.table.loc[id, "stratum"]), options.strata)]
    recall, false = measured(data, ids, found)
    name = options.dataset.partition("@")[0]
    content = {
        "dataset": options.dataset,
        "strata": options.strata,
        "images": len(ids),
        "recall": recall.reset_index(names="kind").to_dict(orient="records"),
        "false": false.to_dict(),
    }
    write_text(REPORTS / "missed" / f"{name}.json", json.dumps(content, indent=2) + "\n")
    text = report(options.dataset, options.strata, len(ids), recall, false)
    write_text(REPORTS / "missed" / f"{name}.md", text)
    print(text)


if __name__ == "__main__":
    main()
