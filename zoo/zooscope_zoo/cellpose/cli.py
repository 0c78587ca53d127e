"""The verb `convert-cellpose`; what it needs is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

convert_cellpose = typer.Typer(add_completion=False)


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
