"""The command line: the harness's verbs, with no logic of their own, and those of other distributions."""

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from zooscope import plugins
from zooscope.errors import ZooscopeError

if TYPE_CHECKING:
    from zooscope.data.dataset import Dataset
    from zooscope.report.board import Board
    from zooscope.rows import Row
    from zooscope.store import Results

OK, CHECK_FAILED, WRONG_USE, ROWS_FAILED = 0, 1, 2, 3

Reports = Annotated[Path, typer.Option("--reports", help="Folder for results and leaderboards.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:<number>; of a run also several: cuda:0,cuda:1.")]
Weights = Annotated[
    str | None, typer.Option(help="torchscript, onnx, pytorch_state_dict ...; the package's first by default.")
]
Precision = Annotated[str, typer.Option(help="float32, or bf16 or fp16 of weights that torch runs.")]
Diameter = Annotated[
    str,
    typer.Option(
        metavar="auto|off|PX",
        help="Of the objects (median, px), for networks that know one size: images are brought to it.",
    ),
]
Trust = Annotated[bool, typer.Option("--trust", help="Let packages run their own Python.")]
DecoderName = Annotated[str | None, typer.Option("--decoder", help="Decoder in place of the package's own.")]
Split = Annotated[str, typer.Option(help="Split to rank on.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


class _Verbs(TyperGroup):
    """The verbs below, and those of the entry-point group `zooscope.commands`, imported only when called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All verbs."""
        return [*super().list_commands(ctx), *plugins.names("commands")]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A verb; one from elsewhere is a stand-in with its help."""
        own = super().get_command(ctx, cmd_name)
        if own or cmd_name not in plugins.names("commands"):
            return own
        return cast(Any, TyperCommand)(cmd_name, help=plugins.summary("commands", cmd_name))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that is called, with its arguments."""
        name, command, rest = super().resolve_command(ctx, args)
        if name and super().get_command(ctx, name) is None and command is not None:
            command = typer.main.get_command(plugins.load("commands", name))
        return name, command, rest


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Rank BioImage.IO models on standard microscopy benchmarks, with numbers that can be trusted and repeated.",
)


@app.callback(invoke_without_command=True)
def _top(show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if show_version:
        typer.echo(version("zooscope"))
        raise typer.Exit(OK)


@app.command("list")
def list_command(
    kind: Annotated[str | None, typer.Argument(help="Only these; of metrics, their definitions.")] = None,
    as_json: Json = False,
) -> None:
    """List data sets, methods, models, baselines, decoders and metrics."""
    from zooscope.contender import baseline_ids
    from zooscope.data.card import card_ids, find_card
    from zooscope.errors import UsageError
    from zooscope.metrics import FAMILIES, METRICS, metrics_of
    from zooscope.sources import shipped_models

    found = {
        "data sets": {id: find_card(id)[0].title for id in card_ids()},
        "methods": dict.fromkeys(plugins.names("methods"), "to train"),
        "models": {name: f"shipped: {text}" if text else "shipped" for name, text in shipped_models().items()},
        "baselines": dict.fromkeys(baseline_ids(), ""),
        "decoders": dict.fromkeys(plugins.names("decoders"), ""),
        "metrics": {name: metric.definition for name, metric in METRICS.items()},
    }
    if kind not in (None, *found):
        raise UsageError(f"'{kind}' is not one of {', '.join(found)}")
    if as_json:
        _print_json(found if kind is None else found[kind])
        return
    if kind is None:  # their definitions would bury the rest
        hint = "`zooscope list metrics` defines them"
        found["metrics"] = {f"of {task}": f"{len(metrics_of(task))}; {hint}" for task in FAMILIES}
    for name, items in found.items():
        if kind not in (None, name):
            continue
        typer.echo(f"{name}:")
        for id, text in items.items():
            typer.echo(f"  {id}{'  ' + text if text else ''}")


@app.command()
def fetch(dataset: str, as_json: Json = False) -> None:
    """Download, verify and decode a data set; say what is in it and whether its splits leak."""
    from zooscope.data import load_dataset

    data = load_dataset(dataset)
    counts = {split: len(data.only(split)) for split in data.splits}
    leaks = data.leaks() if "test" in counts and "train" in counts else []
    if as_json:
        _print_json(
            {
                "id": data.card.id,
                "digest": data.digest,
                "folder": str(data.folder),
                "licence": data.card.licence,
                "splits": counts,
                "leaks": leaks,
            }
        )
        return
    _show_parts(data)
    if data.card.licence != "not stated":  # as of a folder of one's own
        typer.echo(f"  licence: {data.card.licence}")
    if data.splits == ["test"] and Path(dataset).is_dir():
        typer.echo(f"  all of it is for tests; to train on it, divide it with: zooscope split {dataset}")
    if leaks:
        typer.echo(f"  leak: {len(leaks)} of {counts['test']} test images share a group (a field) with training images")


@app.command()
def split(
    folder: Path,
    test: Annotated[float, typer.Option(help="Share of the images to rank on.")] = 0.25,
    validation: Annotated[float, typer.Option(help="Share of the images to choose weights and parameters on.")] = 0.2,
    group_by: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Names in which it finds the same text are one group.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another one draws other groups.")] = 0,
) -> None:
    """Divide a folder of your own into train, validation and test, written to its groups.csv; groups stay whole."""
    from zooscope.data import load_dataset, split_folder

    path = split_folder(folder, test=test, validation=validation, group_by=group_by, seed=seed)
    _show_parts(load_dataset(folder))
    typer.echo(f"written to {path}; keep it with the images")


@app.command()
def run(
    model: Annotated[
        list[str], typer.Option("--model", help="Package, shipped id or baseline:<name>@<version>; repeat.")
    ],
    dataset: Annotated[list[str], typer.Option("--dataset", help="Data set id or folder; repeat.")],
    split: Split = "test",
    device: Device = "auto",
    weights: Weights = None,
    decoder: DecoderName = None,
    precision: Precision = "float32",
    diameter: Diameter = "auto",
    time_limit: Annotated[float, typer.Option(help="Seconds that opening a model, or one image, may take.")] = 600,
    memory_limit: Annotated[
        float | None, typer.Option(help="GiB that a model's process may take; 3/4 of the machine's by default.")
    ] = None,
    trust: Trust = False,
    retry: Annotated[bool, typer.Option("--retry", help="Run models again that failed before.")] = False,
    reports: Reports = Path("reports"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the rows and the expected time; compute nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Predict, score and rank models x data sets. Whatever was done before is not done again."""
    from zooscope.data import load_dataset
    from zooscope.rows import plan_rows, run_row
    from zooscope.store import Results

    results, failed, told = Results(reports), 0, list[Any]()
    for name in dataset:
        data = load_dataset(name)
        limits = {"time_limit_s": time_limit, "memory_limit_gib": memory_limit}
        chosen = {"device": device, "weights": weights, "decoder": decoder, "precision": precision, "trust": trust}
        chosen |= {"diameter": diameter}
        rows = plan_rows(model, data, split=split, **chosen, **limits)
        if dry_run:
            expected = ((row.contender.name, _expected(row, results)) for row in rows)
            told += [{"dataset": data.name, "split": split, "model": name, "expected": text} for name, text in expected]
            continue
        results.prepare()
        for row in rows:
            result = run_row(row, results, progress=True, retry=retry)
            failed += result.failed
            if result.run["model"]["name"] != row.contender.name:
                typer.echo(f"note: {row.contender.name} computes the same as {result.run['model']['name']}", err=True)
        told.append(_write_and_show(results, data, split, quiet=as_json))
    if as_json:
        _print_json(told)
    elif dry_run:
        for row in told:
            typer.echo("  ".join(row.values()))
    if failed:
        raise typer.Exit(ROWS_FAILED)


@app.command()
def score(
    folder: Path,
    dataset: Annotated[str, typer.Option("--dataset", help="Data set id or folder.")],
    name: Annotated[str, typer.Option("--name", help="The row's name in the leaderboard.")],
    split: Split = "test",
    trained_on: Annotated[
        list[str] | None, typer.Option("--trained-on", help="Data set that the tool was trained on; repeat.")
    ] = None,
    reports: Reports = Path("reports"),
    as_json: Json = False,
) -> None:
    """Score label or restored images that another tool made: FOLDER holds <id>.tif of every image of the split."""
    from zooscope.data import load_dataset
    from zooscope.data.card import known_names
    from zooscope.external import score_folder
    from zooscope.store import Results

    data, results = load_dataset(dataset), Results(reports)
    for unknown in sorted(set(trained_on or ()) - known_names() - {data.card.id}):
        typer.echo(f"note: --trained-on {unknown}: zooscope knows no data set of that name; it marks nothing", err=True)
    score_folder(folder, data.only(split), name=name, results=results, trained=trained_on, progress=True)
    board = _write_and_show(results, data, split, quiet=as_json)
    if as_json:
        _print_json(board)


@app.command()
def report(
    dataset: Annotated[str | None, typer.Option("--dataset", help="Data set id or folder; all by default.")] = None,
    site: Annotated[
        bool, typer.Option("--site", help="Only the site: pages of benchmarks, models and images.")
    ] = False,
    figures: Annotated[bool, typer.Option("--figures", help="Only the figures: each plot as PNG and SVG.")] = False,
    reports: Reports = Path("reports"),
    as_json: Json = False,
) -> None:
    """Write the leaderboards of all results: Markdown, CSV, JSON and the site; or the site or the figures alone."""
    from zooscope.data import load_dataset
    from zooscope.report import tables
    from zooscope.report.write import write_reports
    from zooscope.store import Results

    own = load_dataset(dataset) if dataset and (Path(dataset).is_dir() or dataset.endswith(".toml")) else None
    told = list[Any]()
    wanted = {"site": site, "figures": figures, "processes": os.cpu_count() or 1}
    for board, written in write_reports(Results(reports), dataset=dataset, own=own, **wanted, progress=True):
        if as_json:
            told.append(tables.plain(board))
        elif site or figures:
            for path in written:
                typer.echo(path)
        else:
            _show(board, written[0], quiet=False)
    if as_json:
        _print_json(told)
    elif not figures or site:
        typer.echo(f"site: {(reports / 'site' / 'index.html').resolve()}")


@app.command()
def predict(
    package: str,
    images: Annotated[
        list[str],
        typer.Argument(help="Images, folders of them or patterns: TIFF, PNG, JPEG, BMP, NPY, zarr and OME-Zarr."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the label images.")],
    device: Device = "auto",
    weights: Weights = None,
    decoder: DecoderName = None,
    precision: Precision = "float32",
    diameter: Diameter = "auto",
    trust: Trust = False,
    channel: Annotated[int | None, typer.Option(help="Which of several channels, counted from 0.")] = None,
    axes: Annotated[
        str | None,
        typer.Option(help="Axes of files that do not tell them: t, z, c (channel), y, x, s (red, green, blue)."),
    ] = None,
    format: Annotated[str, typer.Option(help="tiff or ome-zarr.")] = "tiff",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace label images that are there already.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep label images that are there; do the others.")] = False,
) -> None:
    """Segment images with a package: writes <name>.tif label images, never over existing ones unless told."""
    from zooscope.files import predict_files

    options = {"device": device, "weights": weights, "decoder": decoder, "trust": trust, "axes": axes}
    options |= {"precision": precision, "diameter": diameter, "channel": channel, "format": format}
    options |= {"overwrite": overwrite, "resume": resume}
    failed = False
    for done in predict_files(package, images, output, **options, progress=True):
        failed |= bool(done.reason)
        if done.reason:
            typer.echo(f"zooscope: {done.reason}", err=True)
        else:
            typer.echo(f"{done.path}: restored" if done.objects is None else f"{done.path}: {done.objects} objects")
    if failed:
        raise typer.Exit(ROWS_FAILED)


@app.command()
def check(
    package: str,
    trust: Annotated[bool, typer.Option("--trust", help="Also run the package's own Python.")] = False,
    as_json: Json = False,
) -> None:
    """Test a package: format, core's tests, agreement of its weights formats, what other tools need."""
    from dataclasses import asdict

    from zooscope.check import check as findings
    from zooscope.sources import find_package

    found = []
    for finding in findings(find_package(package), trust=trust):
        found.append(finding)
        if not as_json:
            typer.echo(str(finding))
    if as_json:
        _print_json([asdict(finding) for finding in found])
    if any(finding.level == "error" for finding in found):
        raise typer.Exit(CHECK_FAILED)


@app.command()
def verify(
    rows: Annotated[Path, typer.Argument(metavar="RESULT", help="Folder of a row, or of many.")],
    dataset: Annotated[str | None, typer.Option(help="Folder of the data, where it is one of your own.")] = None,
    model: Annotated[str | None, typer.Option(help="Package of a row, where it is not a shipped one.")] = None,
    images: Annotated[int, typer.Option(min=0, help="Images to predict again.")] = 3,
    device: Device = "cpu",
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Repeat a row: its files and data, its scores from the stored label images, some predictions; say what differs."""
    from dataclasses import asdict

    from zooscope.verify import rows_in
    from zooscope.verify import verify as findings

    found = {}
    for folder in rows_in(rows):
        if not as_json:
            typer.echo(f"{folder}:")
        lines = findings(folder, dataset=dataset, model=model, images=images, device=device, trust=trust, progress=True)
        found[str(folder)] = []
        for finding in lines:
            found[str(folder)].append(finding)
            if not as_json:
                typer.echo(f"  {finding}")
    if as_json:
        _print_json({folder: [asdict(finding) for finding in lines] for folder, lines in found.items()})
    if any(finding.level == "error" for lines in found.values() for finding in lines):
        raise typer.Exit(CHECK_FAILED)


@app.command()
def demo(as_json: Json = False) -> None:
    """Rank the baselines and the shipped models on the embedded demo set; needs no network."""
    from zooscope.cache import cache_folder
    from zooscope.contender import baseline_ids
    from zooscope.data import load_dataset
    from zooscope.rows import plan_rows, run_row
    from zooscope.sources import shipped_models
    from zooscope.store import Results

    data, results = load_dataset("demo"), Results(cache_folder("demo"))
    rows = plan_rows([*shipped_models(data.card.task), *baseline_ids(data.card.task)], data)
    done = [run_row(row, results, progress=True) for row in rows]
    board = _write_and_show(results, data, "test", quiet=as_json)
    if as_json:
        _print_json(board)
    if any(result.failed for result in done):
        raise typer.Exit(ROWS_FAILED)


def main() -> None:
    """Run the command line; errors meant for people are one line on stderr and exit code 2."""
    try:
        app()
    except ZooscopeError as error:
        typer.echo(f"zooscope: {error}", err=True)
        raise SystemExit(WRONG_USE) from None
    except MemoryError as error:
        typer.echo(
            f"zooscope: memory ran out ({error or 'no more is said'}); smaller images, or fewer at a time", err=True
        )
        raise SystemExit(WRONG_USE) from None
    except OSError as error:
        typer.echo(f"zooscope: {error.filename or 'a file'}: {error.strerror or error}", err=True)
        raise SystemExit(WRONG_USE) from None


def _expected(row: "Row", results: "Results") -> str:
    """What a dry run says of a row."""
    from zooscope.errors import PackageError, WorkerError
    from zooscope.rows import expected_seconds

    try:
        seconds = expected_seconds(row, results)
    except (PackageError, WorkerError) as error:
        return f"cannot run: {error}"
    return f"{len(row.data)} images, about {seconds:.0f} s" if seconds else "done already"


def _show_parts(data: "Dataset") -> None:
    """Print how much a data set holds, and each of its splits."""
    typer.echo(f"{data.name}: {len(data)} images, content {data.digest[:12]}, in {data.folder}")
    for name in data.splits:
        part = data.only(name)
        typer.echo(f"  {name}: {len(part)} images in {part.table['group'].nunique()} groups")


def _write_and_show(results: "Results", data: "Dataset", split: str, *, quiet: bool) -> dict[str, Any]:
    """Write and show the leaderboard of a data set's split with all rows that there are."""
    from zooscope.report.write import board_of, write_board

    part = data.only(split)
    board = board_of(results, part)
    return _show(board, write_board(board, results.reports, part, progress=True), quiet=quiet)


def _show(board: "Board", page: Path, *, quiet: bool) -> dict[str, Any]:
    """Print a leaderboard unless `quiet`; return it as JSON types."""
    from zooscope.report import tables

    if not quiet:
        from rich.console import Console

        console = Console(width=None if sys.stdout.isatty() else 150)
        console.print(tables.terminal(board))
        for line in tables.footnotes(board):
            typer.echo(line)
        typer.echo(f"page: {page}")
    return tables.plain(board)


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=1))
