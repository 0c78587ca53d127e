"""The methods' verbs `train`, `export` and `convert-cellpose`; what they need is imported when they run."""

from pathlib import Path
from typing import Annotated

import typer

train = typer.Typer(add_completion=False)
export = typer.Typer(add_completion=False)
convert_cellpose = typer.Typer(add_completion=False)


@train.command("train")
def _train(
    method: Annotated[str, typer.Argument(help="unet, stardist, or what other distributions bring.")],
    dataset: Annotated[list[str], typer.Argument(help="Data set ids, or folders with images/ and masks/.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The run's folder (runs/METHOD).")] = None,
    init: Annotated[
        str | None, typer.Option(help="Start from these weights: a run's folder, a package, a shipped model.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="E.g. training.steps=1000; repeat.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's last state.")] = False,
) -> None:
    """Train a method on data sets or on your own images and masks."""
    from zooscope_zoo.train import train as run

    folder = output or Path("runs") / method
    run(method, dataset, folder, init=init, changes=changes or (), resume=resume, say=typer.echo)


@export.command("export")
def _export(
    run: Annotated[str, typer.Argument(help="A run's folder, as train wrote it, or a shipped model's id.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The package, a .zip; replaced if it is there.")],
    with_postprocessing: Annotated[
        bool, typer.Option("--with-postprocessing", help="Labels by the format's own operation instead of dense maps.")
    ] = False,
    tta: Annotated[
        bool, typer.Option("--tta", help="Test-time augmentation inside: the mean over eight flips and rotations.")
    ] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="network.KEY=VALUE", help="What weights allow, e.g. network.prior_levels=1."),
    ] = None,
    author: Annotated[list[str] | None, typer.Option(help="An author of the package; repeat.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="SPDX id; BSD-3-Clause for CC0 data by default, else the data's own.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag beside the method's own, e.g. nuclei; repeat.")] = None,
) -> None:
    """Package a run's best weights for BioImage.IO: three weights formats, tuned decoder, card, tests."""
    from zooscope_zoo.packaging.export import Publisher
    from zooscope_zoo.packaging.export import export as write

    publisher = Publisher(authors=author or (), licence=licence, tags=tag or ())
    options = {"with_postprocessing": with_postprocessing, "tta": tta}
    path = write(run, output, **options, changes=changes or (), publisher=publisher, progress=True)
    typer.echo(f"{path}; zooscope check {path} --trust tests it")


@convert_cellpose.command("convert-cellpose")
def _convert_cellpose(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of Cellpose 1 to 3: one file of PyTorch.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The package, a .zip; replaced if it is there.")],
    diameter: Annotated[
        float | None, typer.Option(min=4, max=256, help="Of objects, px; the checkpoint's own by default.")
    ] = None,
    author: Annotated[list[str] | None, typer.Option(help="An author of the package; repeat.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="SPDX id of the weights; not stated by default, for the file does not tell.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag beside the method's own, e.g. nuclei; repeat.")] = None,
) -> None:
    """Make a BioImage.IO package of a checkpoint of Cellpose 1 to 3; Cellpose itself is not needed."""
    from zooscope_zoo.cellpose.convert import convert
    from zooscope_zoo.packaging.export import Publisher

    publisher = Publisher(authors=author or (), licence=licence, tags=tag or ())
    path = convert(checkpoint, output, diameter_px=diameter, publisher=publisher)
    typer.echo(f"{path}; zooscope check {path} --trust tests it")
