"""Draws of image files: a folder of each with the draws, their mean and deviation, and pictures of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from zooscope import atomic
from zooscope.channels import to_channels
from zooscope.errors import DataError
from zooscope.files import plan_files, refuse_missing
from zooscope.outputfile import write_prediction
from zooscope.progress import track
from zooscope.sample import as_image
from zooscope.stack import PixelSize, open_stack
from zooscope_zoo.drawing.agreement import Agreement, open_segmenter
from zooscope_zoo.drawing.moments import Moments
from zooscope_zoo.drawing.pictures import MOST_SHOWN, animation_gif, sheet_png, window
from zooscope_zoo.drawing.sampler import Sampler, open_sampler


@dataclass(frozen=True)
class Drawn:
    """What became of one image.

    Attributes
    ----------
    image, folder : its file, and where its draws lie.
    deviation : mean over pixels of the draws' standard deviation, in the image's units.
    objects : fewest and most in a draw, where objects were asked for.
    reason : why it failed, one line that names the image; "" where it did not.
    """

    image: Path
    folder: Path
    deviation: float = float("nan")
    objects: tuple[int, int] | None = None
    reason: str = ""


def draw_files(
    source: str | Path,
    images: Sequence[str | Path],
    output: Path,
    *,
    n: int = 16,
    seed: int = 0,
    device: str = "auto",
    changes: Sequence[str] = (),
    with_model: str | None = None,
    axes: str | None = None,
    channel: int | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool = False,
) -> Iterator[Drawn]:
    """Write `<output>/<name>/` of every image, whole or not at all; yield each outcome.

    A folder holds `draw-01.tif` and so on, `mean.tif` and `deviation.tif`, float32 in the image's units, axes and pixel
    size, the contact sheet `sheet.png` and the animation `draws.gif`. With a model for objects also `agreement.tif`
    (the share of draws in which a pixel is of an object), `agreement.png` and `objects.csv`.

    Parameters
    ----------
    source : a run's folder, or the id of shipped weights. images : as `predict_files` takes them; single planes.
    changes : of `read_run`. with_model : a package that segments objects, or the id of a shipped one.
    axes, channel : of `open_stack`. overwrite, resume : folders that are there are replaced, or left as they are.

    Raises
    ------
    UsageError : nothing found, folders that are there already, a method that does not draw, a model without objects.
    """
    todo = plan_files(images, output, suffix="", overwrite=overwrite, resume=resume)
    if not todo:
        return
    sampler = open_sampler(source, device=device, changes=changes)
    model = open_segmenter(with_model, device=device) if with_model else None
    refuse_missing(todo)
    for path, folder in track(todo, "drawing", len(todo), show=progress and len(todo) > 1):
        try:
            image, size = _read(path, axes=axes, channel=channel)
            with atomic.new_folder(folder) as building:
                agreement = Agreement(model) if model else None
                deviation = _write(building, sampler, image, size, agreement, n=n, seed=seed)
        except DataError as error:
            yield Drawn(path, folder, reason=str(error))
        except MemoryError:
            yield Drawn(path, folder, reason=f"{path}: memory ran out")
        else:
            objects = (min(agreement.counts), max(agreement.counts)) if agreement else None
            yield Drawn(path, folder, deviation, objects)


def _read(path: Path, *, axes: str | None, channel: int | None) -> tuple[Any, PixelSize]:
    """The one plane of an image file, with named dims."""
    with open_stack(path, axes=axes, channel=channel) as stack:
        if len(stack) > 1:
            raise DataError(f"{path}: a stack of {len(stack)} planes; draws are made of one, take the stack apart")
        plane = next(iter(stack))
        return as_image(plane.read(), axes=plane.axes, source=str(path)), stack.pixel_size


def _write(
    folder: Path, sampler: Sampler, image: Any, size: PixelSize, agreement: Agreement | None, *, n: int, seed: int
) -> float:
    """All files of one image; the mean deviation of its draws."""
    moments, digits = Moments(), max(2, len(str(n)))
    paths = [folder / f"draw-{k:0{digits}d}.tif" for k in range(1, n + 1)]
    drawn = sampler.draws(image.values, n, axes="".join(map(str, image.dims)), seed=seed)
    for path, draw in zip(paths, drawn, strict=True):
        moments.add(draw)
        _write_image(path, draw, size)
        if agreement:
            agreement.add(draw)
    mean, deviation = moments.mean.astype(np.float32), moments.deviation.astype(np.float32)
    _write_image(folder / "mean.tif", mean, size)
    _write_image(folder / "deviation.tif", deviation, size)
    given = to_channels(image, sampler.channels).astype(np.float32)
    y, x = window(deviation)
    shown = [_read_draw(path, mean.shape)[:, y, x] for path in paths[:MOST_SHOWN]]
    place = (
        "" if mean[:, y, x].size == mean.size else f"rows {y.start} to {y.stop - 1}, columns {x.start} to {x.stop - 1}"
    )
    sheet = sheet_png(given[:, y, x], mean[:, y, x], deviation[:, y, x], shown, place=place)
    (folder / "sheet.png").write_bytes(sheet)
    (folder / "draws.gif").write_bytes(animation_gif(shown))
    if agreement:
        labels = agreement.labels(mean)
        _write_image(folder / "agreement.tif", agreement.share[None], size)
        (folder / "agreement.png").write_bytes(agreement.png(mean, labels))
        table = agreement.table({"mean": labels, "input": agreement.labels(given)})
        (folder / "objects.csv").write_text(table, encoding="utf-8")
    return float(deviation.mean())


def _write_image(path: Path, image: NDArray[np.float32], size: PixelSize) -> None:
    """(c, y, x); of one channel without c."""
    gray = len(image) == 1
    write_prediction(path, image[0] if gray else image, top=None, axes="yx" if gray else "cyx", pixel_size=size)


def _read_draw(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return tifffile.imread(path).reshape(shape)
