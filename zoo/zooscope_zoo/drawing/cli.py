"""The verb `draw`."""

from pathlib import Path
from typing import Annotated, Any

import typer

draw = typer.Typer(add_completion=False)


@draw.command("draw")
def _draw(
    model: Annotated[str, typer.Argument(help="A run's folder, or the id of shipped weights, of a method that draws.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder; of every image one is made in it.")],
    images: Annotated[
        list[str] | None, typer.Argument(help="Images, folders of them or patterns, as predict takes them.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="In place of images: a data set whose draws are averaged, and checked.")
    ] = None,
    split: Annotated[str, typer.Option(help="Of the data set.")] = "test",
    n: Annotated[int, typer.Option("-n", min=1, help="Draws of each image.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same draws.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<number>.")] = "auto",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="network.KEY=VALUE", help="What weights allow, e.g. network.prior_levels=1."),
    ] = None,
    with_model: Annotated[
        str | None, typer.Option(help="A package that segments objects in every draw, e.g. stardist-dsb2018.")
    ] = None,
    channel: Annotated[int | None, typer.Option(help="Which of several channels, counted from 0.")] = None,
    axes: Annotated[str | None, typer.Option(help="Axes of files that do not tell them, as of predict.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace folders that are there already.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep folders that are there; do the others.")] = False,
) -> None:
    """Draw clean images that a noisy one may be of: each, their mean, deviation, a contact sheet, an animation.

    Of a data set OUTPUT holds the mean of every image's draws, for `zooscope score`, and how often the clean image lies
    in the middle 50, 80 and 90 % of the draws.
    """
    from zooscope.cli import ROWS_FAILED
    from zooscope.errors import UsageError
    from zooscope_zoo.drawing.files import draw_files

    options = {"n": n, "seed": seed, "device": device, "changes": changes or (), "overwrite": overwrite}
    if bool(images) == bool(dataset):
        raise UsageError("images or --dataset ID say what is drawn from; one of them is expected")
    if dataset:
        for name, value in {"with-model": with_model, "channel": channel, "axes": axes, "resume": resume}.items():
            if value not in (None, False):
                raise UsageError(f"--{name} is for image files, not for --dataset")
        _draw_dataset(model, dataset, output, split, options)
        return
    options |= {"with_model": with_model, "channel": channel, "axes": axes, "resume": resume}
    failed = False
    for done in draw_files(model, images or (), output, **options, progress=True):
        failed |= bool(done.reason)
        if done.reason:
            typer.echo(f"zooscope: {done.reason}", err=True)
            continue
        objects = f", {done.objects[0]} to {done.objects[1]} objects" if done.objects else ""
        typer.echo(f"{done.folder}: {n} draws, deviation {done.deviation:.3g} on average{objects}")
    if failed:
        raise typer.Exit(ROWS_FAILED)


def _draw_dataset(model: str, dataset: str, output: Path, split: str, options: dict[str, Any]) -> None:
    from zooscope_zoo.drawing.of_data import draw_dataset

    done = draw_dataset(model, dataset, output, split=split, **options, progress=True)
    for level, one in done.calibration.observed().items():
        interval = (
            f" ({100 * one.low:.1f} to {100 * one.high:.1f})" if one.low is not None and one.high is not None else ""
        )
        typer.echo(
            f"the middle {100 * level:.0f} % of draws hold the truth of {100 * one.score:.1f} %{interval} of pixels"
        )
    if options["n"] < 19:
        typer.echo("the middle 90 % takes 19 draws to tell")
    typer.echo(f"{output}: means of {options['n']} draws of {done.images} images; zooscope score ranks them")
