"""Predict image files with a package and write label images, or restored images."""

import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooscope.atomic import write_text
from zooscope.decode import restores
from zooscope.errors import DataError, PackageError, UsageError, WorkerError
from zooscope.model import Model, load_model, table_of
from zooscope.outputfile import SUFFIX, write_prediction
from zooscope.predict.large import LARGE_PX, DiskCanvas, PlaneCanvas, goes_by_blocks, predict_large
from zooscope.progress import track
from zooscope.stack import READS, Stack, open_stack, volumes
from zooscope.zarrpixels import is_zarr


@dataclass(frozen=True)
class Outcome:
    """What became of one image.

    Attributes
    ----------
    image, path : its file, and that of its labels or of the restored image.
    objects : how many, in all planes together; None of a restored image, and where nothing was predicted.
    reason : why it failed, one line that names the image; "" where it did not.
    """

    image: Path
    path: Path
    objects: int | None = None
    reason: str = ""


def predict_files(
    package: str | Path,
    images: Sequence[str | Path],
    output: Path,
    *,
    device: str = "auto",
    weights: str | None = None,
    decoder: str | None = None,
    precision: str = "float32",
    diameter: str | float = "auto",
    trust: bool = False,
    axes: str | None = None,
    channel: int | None = None,
    format: str = "tiff",
    overwrite: bool = False,
    resume: bool = False,
    progress: bool = False,
) -> Iterator[Outcome]:
    """Write a label image or a restored one, `<output>/<name>.tif` or `.ome.zarr`, for every image; yield each outcome.

    Where the network tells objects' classes, `<output>/<name>.csv` lists them: plane, label, score, class, class_score.

    Each plane of a stack is predicted on its own, its objects numbered from 1; by a network that takes volumes each
    volume. What is written has the stack's axes and pixel size, a restored image is float32 and of colour has c before
    y and x. An image that cannot be read or predicted costs nothing but its own prediction.

    Parameters
    ----------
    images : files, zarr folders, folders of either, and patterns with *, ? or **.
    diameter : of `load_model`.
    axes, channel : of `open_stack`.
    format : "tiff" or "ome-zarr".
    overwrite, resume : label images that are there are replaced, or left as they are; else they are an error.

    Raises
    ------
    UsageError : nothing found, two images of one name, or a label image that is there already; found before anything
        is predicted. PackageError : a package that cannot run here.
    """
    if format not in SUFFIX:
        raise UsageError(f"format '{format}' is not one of {', '.join(SUFFIX)}")
    todo = plan_files(images, output, suffix=SUFFIX[format], overwrite=overwrite, resume=resume)
    if not todo:
        return
    options = {"weights": weights, "device": device, "decoder": decoder, "precision": precision, "diameter": diameter}
    model = load_model(package, **options, trust=trust)
    refuse_missing(todo)
    for path, target in track(todo, "predicting", len(todo), show=progress and len(todo) > 1):
        try:
            with open_stack(path, axes=axes, channel=channel) as stack:
                predict = _predict if model.package.input.depth is None or not stack.depth else _predict_volumes
                objects = predict(model, path, stack, target, format=format, progress=progress)
        except DataError as error:
            yield Outcome(path, target, reason=str(error))
        except (PackageError, WorkerError) as error:
            yield Outcome(path, target, reason=f"{path}: {error}")
        except MemoryError:
            yield Outcome(path, target, reason=f"{path}: memory ran out")
        else:
            yield Outcome(path, target, objects)


def plan_files(
    images: Sequence[str | Path], output: Path, *, suffix: str, overwrite: bool = False, resume: bool = False
) -> list[tuple[Path, Path]]:
    """Each image with where its answer is to go, `<output>/<name><suffix>`; with `resume` those not answered yet.

    Parameters
    ----------
    images : files, zarr folders, folders of either, and patterns with *, ? or **.

    Raises
    ------
    UsageError : nothing found, two images of one name, or an answer that is there already.
    """
    if overwrite and resume:
        raise UsageError("--overwrite replaces what is there and --resume keeps it; only one of them can be meant")
    found = [file for image in images for file in _images_at(image)]
    targets = [output / f"{_name(path)}{suffix}" for path in found]
    for path, target in zip(found, targets, strict=True):
        if targets.count(target) > 1:
            raise UsageError(f"{path}: another image would be written to {target} too")
        if target.resolve() == path.resolve():
            raise UsageError(f"{path}: its labels would replace the image; choose another --output")
        if target.exists() and not overwrite and not resume:
            raise UsageError(f"{target}: exists; --overwrite replaces it, --resume keeps it and does the others")
    return [pair for pair in zip(found, targets, strict=True) if not (resume and pair[1].exists())]


def refuse_missing(todo: Sequence[tuple[Path, Path]]) -> None:
    """UsageError for a planned image that is not there."""
    for path, _ in todo:
        if not path.exists():
            raise UsageError(f"{path}: no such file")


def _predict(model: Model, path: Path, stack: Stack, target: Path, *, format: str, progress: bool) -> int | None:
    """Predict and write one stack; the number of its objects, None of restored images.

    Stacks that are large as a whole go through a folder beside the labels, where a killed run is resumed.
    """
    size = (stack.shape[-2], stack.shape[-1])
    blocks = goes_by_blocks(model, size)
    image = restores(model.package, model.decoder)
    counts: list[int] = []
    tables: list[pd.DataFrame] = []
    written = {"axes": f"{stack.lead}yx", "pixel_size": stack.pixel_size, "format": format}
    if not blocks and math.prod(stack.shape) <= LARGE_PX:
        answers = [model.predict(plane.read(), plane.axes, return_objects=True) for plane in stack]
        planes = [_channels_first(found) for found, _ in answers]
        counts = [0 if image else int(plane.max(initial=0)) for plane in planes]
        shape = (*stack.lead_shape, *planes[0].shape)
        written["axes"] = f"{stack.lead}{'cyx' if planes[0].ndim == 3 else 'yx'}"
        write_prediction(target, np.stack(planes).reshape(shape), top=None if image else max(counts), **written)
        _write_classes(target, [objects for _, objects in answers])
        return None if image else sum(counts)
    work = target.with_name(f".{target.name}.unfinished")
    work.mkdir(parents=True, exist_ok=True)
    canvas = DiskCanvas(work / "labels.npy", stack.shape, np.float32 if image else np.int32)
    stamp = path.stat()
    for number, (at, plane) in enumerate(zip(np.ndindex(*stack.lead_shape), stack, strict=True)):
        part = PlaneCanvas(canvas, at)
        if blocks:
            identity = (str(path.resolve()), stamp.st_size, stamp.st_mtime_ns, plane.where, stack.channel)
            tiles = work / f"{number:05d}"
            count, objects = predict_large(model, plane, part, tiles, identity=identity, progress=progress)
            counts.append(count)
            tables.append(table_of(count, objects))
        else:
            found, objects = model.predict(plane.read(), plane.axes, return_objects=True)
            tables.append(objects)
            if found.ndim == 3:
                raise PackageError("a stack of colour images this large is not restored; take it apart")
            part[:, :] = found
            counts.append(0 if image else int(found.max(initial=0)))
    write_prediction(target, canvas, top=None if image else max(counts), **written)
    _write_classes(target, tables)
    shutil.rmtree(work)
    return None if image else sum(counts)


def _predict_volumes(
    model: Model, path: Path, stack: Stack, target: Path, *, format: str, progress: bool
) -> int | None:
    """Predict and write the volumes of a stack, in memory."""
    image = restores(model.package, model.decoder)
    found = [model.predict(volume.read(), volume.axes) for volume in volumes(stack)]
    counts = [0 if image else int(volume.max(initial=0)) for volume in found]
    axes = "tzyx" if len(found) > 1 else "zyx"
    together = np.stack(found) if len(found) > 1 else found[0]
    written = {"axes": axes, "pixel_size": stack.pixel_size, "format": format}
    write_prediction(target, together, top=None if image else max(counts), **written)
    return None if image else sum(counts)


def _write_classes(target: Path, planes: Sequence[pd.DataFrame]) -> None:
    """A table beside the label image, where its objects have classes: those of each plane, in their order from 0."""
    if "class" in planes[0]:
        table = pd.concat([plane.assign(plane=number) for number, plane in enumerate(planes)])
        columns = ["plane", *table.columns.drop("plane")]
        text = table[columns].to_csv(index=False, lineterminator="\n", float_format="%.4f")
        write_text(target.with_name(f"{_name(target)}.csv"), text)


def _channels_first(found: NDArray[Any]) -> NDArray[Any]:
    """Labels (y, x), or a restored image (y, x) or of colour (c, y, x)."""
    return np.moveaxis(found, -1, 0) if found.ndim == 3 else found


def _name(path: Path) -> str:
    """A file's name without what tells its format."""
    return path.stem.removesuffix(".ome").removesuffix(".OME")


def _images_at(image: str | Path) -> list[Path]:
    """The files that a path or a pattern stands for."""
    path = Path(image)
    if path.is_dir() and not is_zarr(path):
        found = [item for item in sorted(path.iterdir()) if _is_image(item)]
        if not found:
            raise UsageError(f"{path}: holds no images ({', '.join(READS)})")
        return found
    if not path.exists() and any(sign in str(image) for sign in "*?["):
        found = [item for item in sorted(_matches(path)) if _is_image(item)]
        if not found:
            raise UsageError(f"{image}: no image matches ({', '.join(READS)})")
        return found
    return [path]


def _matches(pattern: Path) -> list[Path]:
    parts = pattern.parts
    fixed = next(i for i, part in enumerate(parts) if any(sign in part for sign in "*?["))
    return list(Path(*parts[:fixed]).glob(str(Path(*parts[fixed:]))))


def _is_image(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return is_zarr(path) if path.is_dir() else path.suffix.lower() in READS
