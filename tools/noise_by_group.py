"""Noise models of a data set's groups, of its strata and of all its images, on pixels held out; write two reports.

usage: python tools/noise_by_group.py fmd-split        (about a minute on one core)

Writes reports/noise-models/DATASET.json and .md. Models are fitted to the training part and asked about the validation
part of each group: how likely they find its pixels, in nats a pixel. Beside them stand gain and read noise, and how far
the noise of neighbours is correlated, which no model of single pixels knows of.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zooscope.atomic import write_text
from zooscope.data import Dataset, load_dataset
from zooscope.errors import DataError
from zooscope.progress import track
from zooscope_zoo.nn.noise_model import GaussianMixture
from zooscope_zoo.noise_models.camera import camera_noise
from zooscope_zoo.noise_models.check import held_out
from zooscope_zoo.noise_models.fit import fit_mixture
from zooscope_zoo.noise_models.of_data import dataset_pixels
from zooscope_zoo.training.images import split_samples

FOLDER = Path(__file__).parents[1] / "reports" / "noise-models"
WORDS = """\
Mixtures of three Gaussians, fitted to the training part: of a group, of its stratum, and of all images. How likely each
finds the group's validation part: log-likelihood in nats a pixel, more is better, in the images' units; a dash where
more than a hundredth of those signals lies outside the range that the model was fitted to. Gain and read noise are of
the line of variance over signal, with 95 % intervals. Correlation is that of the noise of pixels one apart."""
HEAD = (
    *("group", "stratum", "gain", "read noise", "correlated along x", "along y"),
    *("own model", "its stratum's", "one for all"),
)


def correlation(data: Dataset, ids: Sequence[str]) -> tuple[float, float]:
    """Of the noise of pixels one apart along x and along y, over the images (y, x)."""
    along_x = along_y = power = 0.0
    for id in ids:
        sample = data[id]
        noise = sample.image.values.astype(np.float64) - sample.target
        noise -= noise.mean()
        power += float((noise**2).mean())
        along_x += float((noise[:, 1:] * noise[:, :-1]).mean())
        along_y += float((noise[1:] * noise[:-1]).mean())
    return along_x / power, along_y / power


def measured(data: Dataset) -> list[dict[str, Any]]:
    """A row a group."""
    train, validation = split_samples(data, strata="*")
    table = data.table
    strata = {name: fitted(data, chosen(table, train, "stratum", name)) for name in sorted(set(table["stratum"]))}
    common = fitted(data, train)
    rows: list[dict[str, Any]] = []
    groups = sorted(set(table["group"]))
    for group in track(groups, "groups", len(groups), show=True):
        learned, unseen = (chosen(table, ids, "group", group) for ids in (train, validation))
        stratum = str(table.loc[learned[0], "stratum"])
        camera = camera_noise(*dataset_pixels(data, learned))
        models = {"own": fitted(data, learned), "stratum": strata[stratum], "all": common}
        pixels = dataset_pixels(data, unseen)
        rows.append(
            {
                "group": group,
                "stratum": stratum,
                "gain": [camera.gain, *camera.gain_interval],
                "read_noise": [camera.read_noise, *camera.read_noise_interval],
                "correlation": correlation(data, learned),
                "log_likelihood": {name: likelihood(model, *pixels) for name, model in models.items()},
            }
        )
    return rows


def chosen(table: pd.DataFrame, ids: Sequence[str], column: str, value: str) -> list[str]:
    """Those of the ids that have this value."""
    return [id for id in ids if table.loc[id, column] == value]


def fitted(data: Dataset, ids: Sequence[str]) -> GaussianMixture:
    """A mixture as trainings fit it."""
    return fit_mixture(*dataset_pixels(data, ids))


def likelihood(model: GaussianMixture, observed: Any, signal: Any) -> float | str:
    """Mean a pixel in nats, or why it cannot be told."""
    try:
        return held_out(model, observed, signal).log_likelihood
    except DataError as error:
        return str(error)


def markdown(data: Dataset, rows: Sequence[dict[str, Any]]) -> str:
    """The table in words."""
    lines = [
        f"# Noise models of {data.name}",
        "",
        WORDS,
        f"Made by `python tools/noise_by_group.py {data.card.id}`.",
        "",
        f"| {' | '.join(HEAD)} |",
        f"|---|---|{'---:|' * (len(HEAD) - 2)}",
    ]
    for row in rows:
        ends = ("{:.3g} [{:.3g}, {:.3g}]".format(*row[name]) for name in ("gain", "read_noise"))
        found = (f"{value:.3f}" if isinstance(value, float) else "-" for value in row["log_likelihood"].values())
        cells = [row["group"], row["stratum"], *ends, *(f"{value:.2f}" for value in row["correlation"]), *found]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write both reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    arguments = parser.parse_args()
    data = load_dataset(arguments.dataset)
    rows = measured(data)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_text(FOLDER / f"{data.card.id}.json", json.dumps({"dataset": data.name, "groups": rows}, indent=1) + "\n")
    write_text(FOLDER / f"{data.card.id}.md", markdown(data, rows))
    print(FOLDER / f"{data.card.id}.md")


if __name__ == "__main__":
    main()
