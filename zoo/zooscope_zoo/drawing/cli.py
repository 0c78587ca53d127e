"""The verb `draw`."""

from pathlib import Path
from typing import Annotated

import typer

draw = typer.Typer(add_completion=False)


@draw.command("draw")
def _draw(
    model: Annotated[str, typer.Argument(help="A run's folder, or the id of shipped weights, of a method that draws.")],
    images: Annotated[list[str], typer.Argument(help="Images, folders of them or patterns, as predict takes them.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder; of every image one is made in it.")],
    n: Annotated[int, typer.Option("-n", min=1, help="Draws of each image.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same draws.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<number>.")] = "auto",
    with_model: Annotated[
        str | None, typer.Option(help="A package that segments objects in every draw, e.g. stardist-dsb2018.")
    ] = None,
    channel: Annotated[int | None, typer.Option(help="Which of several channels, counted from 0.")] = None,
    axes: Annotated[str | None, typer.Option(help="Axes of files that do not tell them, as of predict.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace folders that are there already.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep folders that are there; do the others.")] = False,
) -> None:
    """Draw clean images that a noisy one may be of: each, their mean, deviation, a contact sheet, an animation."""
    from zooscope.cli import ROWS_FAILED
    from zooscope_zoo.drawing.files import draw_files

    options = {"n": n, "seed": seed, "device": device, "with_model": with_model, "channel": channel, "axes": axes}
    failed = False
    for done in draw_files(model, images, output, **options, overwrite=overwrite, resume=resume, progress=True):
        failed |= bool(done.reason)
        if done.reason:
            typer.echo(f"zooscope: {done.reason}", err=True)
            continue
        objects = f", {done.objects[0]} to {done.objects[1]} objects" if done.objects else ""
        typer.echo(f"{done.folder}: {n} draws, deviation {done.deviation:.3g} on average{objects}")
    if failed:
        raise typer.Exit(ROWS_FAILED)
