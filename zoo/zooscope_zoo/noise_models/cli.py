"""The verb `noise-model`: fit, plot, check."""

from pathlib import Path
from typing import Annotated, Any

import typer

noise_model = typer.Typer(add_completion=False, no_args_is_help=True)

Stack = Annotated[Path | None, typer.Option(help="Many frames of one scene that does not change (frame, y, x).")]
Noisy = Annotated[list[Path] | None, typer.Option(help="A noisy image, with --clean; repeat.")]
Clean = Annotated[list[Path] | None, typer.Option(help="The clean image of the same scene, or a denoised one; repeat.")]
Data = Annotated[str | None, typer.Option(help="A data set of noisy and clean images: its training part.")]
Strata = Annotated[str, typer.Option(help="Pattern of the strata of --dataset: one instrument has one noise.")]
Model = Annotated[Path, typer.Argument(help="A noise model, as fit wrote it.")]


@noise_model.callback()
def _noise_model() -> None:
    """Fit, plot or check a noise model: how probable an observed value is, given the signal."""


@noise_model.command("fit")
def _fit(
    output: Annotated[Path, typer.Option("-o", "--output", help="The noise model, a .safetensors.")],
    stack: Stack = None,
    noisy: Noisy = None,
    clean: Clean = None,
    dataset: Data = None,
    strata: Strata = "*",
    kind: Annotated[str, typer.Option(help="mixture, which networks take, or histogram.")] = "mixture",
    components: Annotated[int, typer.Option(min=1, max=20, help="Gaussians of a mixture.")] = 3,
    degree: Annotated[int, typer.Option(min=0, max=6, help="Of a mixture's polynomials.")] = 2,
) -> None:
    """Fit a noise model to a calibration stack, to noisy and clean images, or to a data set."""
    from dataclasses import asdict

    from zooscope.errors import UsageError
    from zooscope_zoo.noise_models import files
    from zooscope_zoo.noise_models.camera import camera_noise
    from zooscope_zoo.noise_models.count import count_histogram
    from zooscope_zoo.noise_models.fit import fit_mixture

    if kind not in ("mixture", "histogram"):
        raise UsageError(f"--kind {kind} is not one of mixture, histogram")
    observed, signal, source = _pixels(stack, noisy, clean, dataset, strata, held_out=False)
    model: Any = (
        count_histogram(observed, signal)
        if kind == "histogram"
        else fit_mixture(observed, signal, components=components, degree=degree)
    )
    camera = camera_noise(observed, signal)
    files.save(model, output, about={"source": source, "pixels": observed.size, "camera": asdict(camera)})
    typer.echo(f"{output}: {kind} of {observed.size:,} pixels, signals from {model.low:g} to {model.high:g}")
    typer.echo(_camera_line(camera))


@noise_model.command("plot")
def _plot(
    model: Model, output: Annotated[Path, typer.Option("-o", "--output", help="The picture, a .png; replaced.")]
) -> None:
    """Draw a noise model beside the line of Poisson and read noise."""
    from zooscope import atomic
    from zooscope_zoo.noise_models import files
    from zooscope_zoo.noise_models.camera import CameraNoise
    from zooscope_zoo.noise_models.plot import noise_model_png

    camera = files.read_header(model)["about"].get("camera")
    atomic.write_bytes(output, noise_model_png(files.load_any(model), CameraNoise(**camera) if camera else None))
    typer.echo(str(output))


@noise_model.command("check")
def _check(
    model: Model,
    stack: Stack = None,
    noisy: Noisy = None,
    clean: Clean = None,
    dataset: Data = None,
    strata: Strata = "*",
) -> None:
    """Check that a noise model is a distribution centred on the signal; on pixels also how probable it finds them.

    Of a data set the validation part is taken.
    """
    from zooscope_zoo.noise_models import files
    from zooscope_zoo.noise_models.camera import camera_noise
    from zooscope_zoo.noise_models.check import check_model, held_out

    found = files.load_any(model)
    check = check_model(found)
    typer.echo(f"range: signals from {found.low:g} to {found.high:g}")
    typer.echo(f"integral: off one by {check.mass_missing:.2g} at most")
    typer.echo(f"mean: off the signal by {check.bias:.2g} standard deviations at most")
    if stack or noisy or clean or dataset:
        observed, signal, source = _pixels(stack, noisy, clean, dataset, strata, held_out=True)
        likelihood = held_out(found, observed, signal)
        typer.echo(
            f"log-likelihood of {likelihood.pixels:,} pixels of {source}: {likelihood.log_likelihood:.4f} "
            f"+- {likelihood.error:.4f} a pixel"
        )
        typer.echo(_camera_line(camera_noise(observed, signal)))
    if not check.passed:
        typer.echo("failed: it is no distribution around the signal")
        raise typer.Exit(1)


def _pixels(
    stack: Path | None,
    noisy: list[Path] | None,
    clean: list[Path] | None,
    dataset: str | None,
    strata: str,
    *,
    held_out: bool,
) -> tuple[Any, Any, str]:
    from zooscope.data import load_dataset
    from zooscope.errors import UsageError
    from zooscope_zoo.noise_models.of_data import dataset_pixels
    from zooscope_zoo.noise_models.pixels import pair_pixels, stack_pixels
    from zooscope_zoo.training.images import split_samples

    if sum(map(bool, (stack, noisy or clean, dataset))) != 1:
        raise UsageError("one of --stack FILE, --noisy FILE with --clean FILE, and --dataset ID says what is measured")
    if strata != "*" and not dataset:
        raise UsageError(f"--strata {strata} chooses among the images of a --dataset, and none is given")
    if stack:
        pixels, source = stack_pixels(stack), stack.name
    elif dataset:
        data = load_dataset(dataset)
        pixels = dataset_pixels(data, split_samples(data, strata=strata)[1 if held_out else 0])
        source = data.name if strata == "*" else f"{data.name}, {strata}"
    else:
        pixels, source = pair_pixels(noisy or [], clean or []), f"{len(noisy or [])} pairs of images"
    return *pixels, source


def _camera_line(camera: Any) -> str:
    (low, high), (least, most) = camera.gain_interval, camera.read_noise_interval
    return (
        f"as Poisson + read noise: gain {camera.gain:.4g} (95 % {low:.4g} to {high:.4g}), "
        f"read noise {camera.read_noise:.4g} ({least:.4g} to {most:.4g})"
    )
