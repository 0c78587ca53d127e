"""SplineDist beside StarDist on slender, bent objects, drawn by a seed; write reports/bent-shapes.

usage: python tools/bent_shapes.py WORK [--steps 4000] [--set network.width=16 ...]

280 images of 128 px with rods bent by up to 240 degrees that may touch and never overlap, blurred, under noise; 240 to
train on, 20 to validate, 20 to test. Both methods get the same settings, steps and seed, are exported as packages, and
are ranked on the test images. The report has the leaderboard's scores and a sheet of four test images. WORK keeps data,
runs and packages.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.spatial import KDTree

import zooscope
from zooscope.atomic import write_text
from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope.report.overlays import overlay
from zooscope.sample import Sample
from zooscope_zoo.packaging.export import export
from zooscope_zoo.train import train
from zooscope_zoo.training.run_folder import RunFolder

REPORTS = Path(__file__).parents[1] / "reports"
EDGE_PX, RODS = 128, 14
SPLITS = ("train",) * 240 + ("validation",) * 20 + ("test",) * 20
METHODS = {"splinedist": ("network.control_points=16",), "stardist": ("network.rays=32",)}
COMMON = (
    *("network.width=16", "network.grid=2", "network.features=64", "training.batch=8", "training.patch_px=96"),
    *("training.validate_every=200", "training.seed=0", "augment.zoom=[0.8, 1.25]"),
)
METRICS = ("ap50.per-image@1", "ap75.per-image@1", "ap.per-image@1")
SHOWN, MAGNIFIED = 4, 2


def rod(rng: np.random.Generator) -> NDArray[np.bool_]:
    """The mask (y, x) of a rod: what lies within 3 to 4.5 px of an arc of 30 to 60 px."""
    length, degrees, half_px = rng.uniform(30, 60), rng.uniform(60, 240), rng.uniform(3, 4.5)
    angles = rng.uniform(0, 2 * np.pi) + np.linspace(0, np.radians(degrees), 100)
    arc = length / np.radians(degrees) * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    places = arc - arc.mean(axis=0) + rng.uniform(0, EDGE_PX, 2)
    pixels = np.indices((EDGE_PX, EDGE_PX)).reshape(2, -1).T
    away, _ = KDTree(places).query(pixels)
    return (away < half_px).reshape(EDGE_PX, EDGE_PX)


def drawn(number: int) -> Sample:
    """One image and its labels, the same for the same number."""
    rng = np.random.default_rng([2026, number])
    labels, light = np.zeros((EDGE_PX, EDGE_PX), np.int32), np.zeros((EDGE_PX, EDGE_PX))
    for _ in range(RODS):
        mask = rod(rng)
        if mask.sum() > 60 and not labels[mask].any():
            labels[mask] = labels.max() + 1
            light[mask] = rng.uniform(0.5, 1)
    image = ndimage.gaussian_filter(light, 1) + rng.normal(scale=0.08, size=light.shape)
    values = np.round(255 * np.clip(0.1 + 0.7 * image, 0, 1)).astype(np.uint8)
    return Sample(f"rods-{number:03d}", xr.DataArray(values, dims=("y", "x")), labels, f"rods-{number:03d}")


def scores(package: Path, folder: Path, reports: Path) -> dict[str, float]:
    """Of a package on the test images, by the harness."""
    table = zooscope.evaluate(package, folder, reports=reports, progress=False)
    whole = table[(table["subset"] == "all") & table["metric"].isin(METRICS)]
    return {metric: round(float(score), 4) for metric, score in zip(whole["metric"], whole["score"], strict=True)}


def sheet(data: Dataset, packages: Mapping[str, Path]) -> Image.Image:
    """Test images from left to right, with each method's outlines from top to bottom."""
    rows: list[NDArray[np.uint8]] = []
    for package in packages.values():
        model = zooscope.load_model(package, device="cpu")
        samples = [data[id] for id in data.ids[:SHOWN]]
        panels = [overlay(s.image, model.predict(s.image.values), s.target) for s in samples]
        rows.append(
            np.concatenate([np.pad(panel, ((2, 2), (2, 2), (0, 0)), constant_values=255) for panel in panels], 1)
        )
    picture = Image.fromarray(np.concatenate(rows))
    return picture.resize((MAGNIFIED * picture.width, MAGNIFIED * picture.height), Image.Resampling.NEAREST)


def run(work: Path, *, steps: int, changes: Sequence[str], reports: Path = REPORTS) -> dict[str, Any]:
    """Draw, train, export, rank; write the report and return its figures."""
    folder, packages, found = work / "rods", dict[str, Path](), dict[str, Any]()
    if not folder.is_dir():
        write_folder(folder, ((drawn(number), split) for number, split in enumerate(SPLITS)))
    test = load_dataset(folder, split="test")
    for method, own in METHODS.items():
        begun = RunFolder(work / method)
        if not begun.finished:
            settings = [*COMMON, f"training.steps={steps}", *own, *changes]
            train(method, [str(folder)], begun.path, changes=settings, resume=begun.started)
        packages[method] = work / f"{method}.zip"
        if not packages[method].is_file():
            export(begun.path, packages[method], progress=True)
        found[method] = scores(packages[method], folder, work / "reports")
    objects = sum(int(sample.target.max()) for sample in test)
    figures = {"images": len(test), "objects": objects, "steps": steps, "changes": list(changes), "scores": found}
    picture = reports / "bent-shapes.png"
    sheet(test, packages).save(picture, optimize=True)
    write_text(reports / "bent-shapes.json", json.dumps(figures, indent=1) + "\n")
    write_text(reports / "bent-shapes.md", report(figures, picture.name))
    return figures


def report(figures: Mapping[str, Any], picture: str) -> str:
    """Markdown."""
    rows = [
        f"| {method} | {' | '.join(f'{told[metric]:.3f}' for metric in METRICS)} |"
        for method, told in figures["scores"].items()
    ]
    return "\n".join(
        [
            "# Slender, bent objects: SplineDist beside StarDist",
            "",
            f"Drawn rods, bent by 60 to 240 degrees: {figures['objects']} in {figures['images']} test images. Both "
            f"methods learn from {SPLITS.count('train')} images for {figures['steps']} steps with the same settings, "
            "SplineDist with 16 control points, StarDist with 32 rays; one seed. Made by "
            "`python tools/bent_shapes.py`.",
            "",
            "| method | AP50 | AP75 | AP, IoU .5 to .95 |",
            "|---|---:|---:|---:|",
            *rows,
            "",
            f"![Outlines: above SplineDist's, below StarDist's]({picture})",
            "",
            "Above SplineDist, below StarDist. Outlines: found (IoU >= 0.5) blue, missed orange, false pink.",
            "",
        ]
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--reports", type=Path, default=REPORTS)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    print(json.dumps(run(given.work, steps=given.steps, changes=given.changes, reports=given.reports), indent=1))


if __name__ == "__main__":
    main()
