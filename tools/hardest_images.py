"""Where do models fail? Images with the lowest AP at IoU 0.5, of the rows in reports/results; write reports/hardest.

usage: python tools/hardest_images.py [--dataset dsb2018] [--stratum 'fluorescence-*'] [--count 6] [MODEL ...]

A sheet of each model, `<dataset>/<model>.png`, of the label images that its row stores: at most one test image a group,
outlines around found objects (IoU >= 0.5), missed ones and false ones. `<dataset>.json` has the figures, `<dataset>.md`
the table and what was seen in the sheets, which stands in `<dataset>-seen.toml`, written by hand, each remark with the
row that it was seen in. Without MODEL, every shipped model with a row; figures of other models stay as they are.
"""

import argparse
import fnmatch
import io
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from missed_objects import REPORTS, rows
from numpy.typing import NDArray
from PIL import Image

from zooscope.atomic import write_bytes, write_text
from zooscope.data import Dataset, load_dataset
from zooscope.metrics import find_metric
from zooscope.report.figures.style import STYLE, new_figure
from zooscope.report.overlays import FALSE, HIT, MISSED, overlay
from zooscope.report.per_image import image_scores
from zooscope.store import Result

COLUMNS = 3
PANEL_IN, TITLE_IN, DPI = 3.2, 0.46, 100
LARGE_PX, WINDOW_PX = 700, 320
"""Of an image with a longer edge than the first, a square of the second is shown, or nuclei could not be seen."""

OWN_COLOURS = 125
METRIC = "ap50.per-image@1"


def hardest(images: pd.DataFrame, *, strata: str, count: int) -> pd.DataFrame:
    """The images of a row with the lowest AP, the lowest first, at most one a group.

    Parameters
    ----------
    images : a row's records, by id.
    strata : a pattern of the strata's names.

    Returns
    -------
    group, stratum, ap50, true, found, missed, false; by id.
    """
    inside = [fnmatch.fnmatch(stratum, strata) for stratum in images["stratum"]]
    table: Any = images.loc[inside]
    scores = image_scores(find_metric(METRIC), {name: table[name].to_numpy() for name in ("true", "predicted", "tp50")})
    found = table[["group", "stratum"]].assign(
        ap50=scores,
        true=table["true"].astype(int),
        found=table["tp50"].astype(int),
        missed=(table["true"] - table["tp50"]).astype(int),
        false=(table["predicted"] - table["tp50"]).astype(int),
    )
    return found.sort_values("ap50", kind="stable").drop_duplicates("group").head(count)


def panels(data: Dataset, row: Result, ids: Sequence[str]) -> list[tuple[NDArray[np.uint8], bool]]:
    """Each image (y, x, 3) with outlines, and whether that is a part of it: of a large one, where most is wrong.

    SystemExit where the row stores no label image of an image.
    """
    pictures = []
    for id in ids:
        labels = row.prediction(id)
        if labels is None:
            raise SystemExit(f"{row.run['model']['name']}: its label image of {id} is not in {row.folder}")
        sample = data[id]
        picture = overlay(sample.image, labels, sample.target)
        large = max(sample.target.shape) > LARGE_PX
        pictures.append((most_wrong(picture) if large else picture, large))
    return pictures


def most_wrong(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The square of `WINDOW_PX` that has the most of the outlines of missed and of false objects."""
    wrong = (picture == MISSED).all(axis=-1) | (picture == FALSE).all(axis=-1)
    sums = np.pad(wrong.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    height, width = (min(WINDOW_PX, edge) for edge in wrong.shape)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return picture[y : y + height, x : x + width]


def sheet(model: str, worst: pd.DataFrame, pictures: Sequence[tuple[NDArray[np.uint8], bool]]) -> bytes:
    """A PNG: the pictures in rows of three, each below a title of its figures."""
    lines = -(-len(pictures) // COLUMNS)
    with mpl.rc_context(STYLE):
        figure = new_figure(COLUMNS * PANEL_IN, lines * (PANEL_IN + TITLE_IN) + 1.3 * TITLE_IN)
        canvas = FigureCanvasAgg(figure)
        figure.set_dpi(DPI)
        figure.set_layout_engine("constrained", h_pad=0.05)
        figure.suptitle(f"{model}: the test images with the lowest AP at IoU 0.5, one a group", fontsize=10)
        grid: Any = figure.subplots(lines, COLUMNS, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, (id, line), (picture, part) in zip(grid.flat, worst.iterrows(), pictures, strict=False):
            axes.imshow(picture)
            counts = f"{line['true']} true, {line['found']} found, {line['false']} false"
            axes.set_title(
                f"{str(id)[:8]}  {line['stratum']}{', a part' if part else ''}\nAP50 {line['ap50']:.2f}: {counts}"
            )
        colours = {"found": HIT, "missed": MISSED, "false": FALSE}
        handles = [
            Line2D([], [], color=f"#{bytes(colour).hex()}", lw=3, label=name) for name, colour in colours.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9)
        canvas.draw()
    return _few_colours(np.asarray(canvas.buffer_rgba())[..., :3])


def _few_colours(pixels: NDArray[np.uint8]) -> bytes:
    """A small PNG: most colours are the picture's own; the outlines keep theirs."""
    image = Image.fromarray(pixels)
    own = image.quantize(OWN_COLOURS).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*own[: 3 * OWN_COLOURS], *HIT, *MISSED, *FALSE])
    content = io.BytesIO()
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(content, "png", optimize=True)
    return content.getvalue()


def report(dataset: str, figures: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    """Markdown; what was seen in another row than that of the figures is left out."""
    lines = [
        f"# The images that are hardest for each model: `{dataset}`",
        "",
        "Test images with the lowest AP at IoU 0.5, at most one a group, with that AP; of the label images that the "
        "rows in `reports/results` store: `python tools/hardest_images.py`. Outlines: found (IoU >= 0.5) blue, missed "
        "orange, false pink.",
        "",
        "| model | strata | its hardest images |",
        "|---|---|---|",
    ]
    for model, about in sorted(figures.items()):
        told = ", ".join(f"{line['id'][:8]} {line['ap50']:.2f}" for line in about["images"])
        lines.append(f"| {model} | `{about['strata']}` | {told} |")
    for model, about in sorted(figures.items()):
        lines += ["", f"## {model}", "", f"![{model}]({dataset.partition('@')[0]}/{model}.png)"]
        if seen.get(model, {}).get("row") == about["row"]:
            lines += ["", seen[model]["seen"].strip()]
    return "\n".join(lines) + "\n"


def write(folder: Path, data: Dataset, found: Mapping[str, Result], *, strata: str, count: int) -> str:
    """Write the sheets, the figures and the report of some models beside those of others; return the report."""
    name = data.card.id
    path, notes = folder / f"{name}.json", folder / f"{name}-seen.toml"
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for model, row in found.items():
        worst = hardest(row.images, strata=strata, count=count)
        write_bytes(folder / name / f"{model}.png", sheet(model, worst, panels(data, row, list(worst.index))))
        images = worst.round({"ap50": 4}).reset_index(names="id").to_dict(orient="records")
        figures[model] = {"row": row.run["key"][:8], "strata": strata, "images": images}
    write_text(path, json.dumps(figures, indent=2, sort_keys=True) + "\n")
    seen = tomllib.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}
    text = report(data.name, figures, seen)
    write_text(folder / f"{name}.md", text)
    return text


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--dataset", default="dsb2018")
    parser.add_argument("--stratum", default="fluorescence-*")
    parser.add_argument("--count", type=int, default=6)
    options = parser.parse_args()
    data = load_dataset(options.dataset, split="test")
    found = rows(data.name, options.models)
    print(write(REPORTS / "hardest", data, found, strata=options.stratum, count=options.count))


if __name__ == "__main__":
    main()
